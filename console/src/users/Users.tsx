import { Badge, Button, Group, Menu, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Plus, Users as Icon } from "lucide-react";
import { useState } from "react";

import { api, body } from "../api/client";
import { useOperator } from "../api/session";
import { Commands } from "../ui/Commands";
import { useConfirm, type Question } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago, moment } from "../ui/format";
import { Once } from "../ui/Once";
import { Page } from "../ui/Page";
import { RowMenu } from "../ui/RowMenu";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { AddUser } from "./AddUser";
import { useUsersText } from "./strings";
import { stateOf, usersChanged, usersQuery, type State, type User } from "./users";

const COLORS: Record<State, string> = { active: "teal", invited: "blue", suspended: "red", idle: "gray" };

interface Link {
  email: string;
  url: string;
  until: string;
}

export function Users() {
  const t = useUsersText();
  const words = useWords();
  const users = useQuery(usersQuery);
  const operator = useOperator();
  const [adding, form] = useDisclosure();
  const [link, setLink] = useState<Link>();

  const columns: Column<User>[] = [
    {
      id: "email",
      header: t("email"),
      width: "minmax(0, 2fr)",
      cell: ({ email, name }) => (
        <Text className="cut">
          <Text span fw={500}>
            {email}
          </Text>{" "}
          <Text span c="dimmed">
            {name}
          </Text>
        </Text>
      ),
      value: ({ email }) => email,
    },
    {
      id: "state",
      header: t("state"),
      width: "minmax(6rem, 1fr)",
      cell: (user) => (
        <Group gap={4} wrap="nowrap">
          <Badge color={COLORS[stateOf(user)]} c="var(--mantine-color-text)">
            {t(`state.${stateOf(user)}`)}
          </Badge>
          {user.is_operator && <Badge c="var(--mantine-color-text)">{t("operator")}</Badge>}
        </Group>
      ),
      value: stateOf,
    },
    {
      id: "factor",
      header: t("twoFactor"),
      wide: true,
      width: "8rem",
      cell: ({ two_factor: on, passkeys }) => (on || passkeys > 0 ? words("on") : <Text c="dimmed">{words("off")}</Text>),
    },
    {
      id: "seen",
      header: t("seen"),
      wide: true,
      width: "9rem",
      cell: ({ seen_on: when }) => <Text c="dimmed">{when === null ? words("never") : ago(when)}</Text>,
      value: ({ seen_on: when }) => when ?? "",
    },
    { id: "menu", header: "", width: "2.2rem", cell: (user) => <Actions user={user} onLink={setLink} /> },
  ];
  const add = (
    <Button leftSection={<Plus size={14} />} onClick={form.open}>
      {t("add")}
    </Button>
  );
  return (
    <Page title={t("title")} text={t("text")} actions={operator && add}>
      <Loaded query={users}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Icon} title={t("empty.title")} text={t("empty.text")} />
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ id }) => id}
              text={({ email, name }) => `${email} ${name}`}
              filterLabel={t("find")}
              sort={{ id: "email" }}
            />
          )
        }
      </Loaded>
      <Commands lines={["hearth users list", "hearth users add ann@corp.test --name Ann", "hearth users invite ann@corp.test"]} />
      <AddUser opened={adding} onClose={form.close} onLink={setLink} />
      <Modal
        opened={link !== undefined}
        onClose={() => setLink(undefined)}
        title={<Text fw={600}>{t("link", { email: link?.email ?? "" })}</Text>}
        closeButtonProps={{ "aria-label": words("close") }}
        closeOnClickOutside={false}
      >
        {link !== undefined && (
          <Stack>
            <Once
              text={link.url}
              label={t("link", { email: link.email })}
              warning={t("link.warning", { until: moment(link.until) })}
            />
            <Group justify="flex-end">
              <Button onClick={() => setLink(undefined)}>{t("link.done")}</Button>
            </Group>
          </Stack>
        )}
      </Modal>
    </Page>
  );
}

function Actions(props: { user: User; onLink: (link: Link) => void }) {
  const t = useUsersText();
  const confirm = useConfirm();
  const { id, email, suspended, is_operator: operator } = props.user;
  const params = { path: { user: id } };

  async function act(call: () => Promise<unknown>, said: string, question?: Question) {
    if (question !== undefined && !(await confirm(question))) return;
    try {
      await call();
      await usersChanged();
      if (said !== "") done(said);
    } catch (error) {
      failed(error);
    }
  }

  async function link(made: Promise<{ url: string; expires_on: string }>) {
    const { url, expires_on: until } = await made;
    props.onLink({ email, url, until });
  }

  const change = (sent: { suspended?: boolean; is_operator?: boolean }) =>
    body(api.PATCH("/api/users/{user}", { params, body: sent }));
  const asked = (what: "reset" | "suspend" | "makeOperator" | "endOperator", mild = false): Question => ({
    title: t(what),
    lost: t(`${what}.lost`, { email }),
    action: t(what),
    mild,
  });
  return (
    <RowMenu label={t("menu", { email })}>
      <Menu.Item onClick={() => void act(() => link(body(api.POST("/api/users/{user}/invitation", { params }))), "")}>
        {t("invite")}
      </Menu.Item>
      <Menu.Item
        onClick={() => void act(() => link(body(api.POST("/api/users/{user}/reset", { params }))), "", asked("reset"))}
      >
        {t("reset")}
      </Menu.Item>
      {operator ? (
        <Menu.Item onClick={() => void act(() => change({ is_operator: false }), t("changed"), asked("endOperator"))}>
          {t("endOperator")}
        </Menu.Item>
      ) : (
        <Menu.Item
          onClick={() => void act(() => change({ is_operator: true }), t("changed"), asked("makeOperator", true))}
        >
          {t("makeOperator")}
        </Menu.Item>
      )}
      {suspended ? (
        <Menu.Item onClick={() => void act(() => change({ suspended: false }), t("resumed", { email }))}>
          {t("resume")}
        </Menu.Item>
      ) : (
        <Menu.Item
          onClick={() => void act(() => change({ suspended: true }), t("suspended", { email }), asked("suspend"))}
        >
          {t("suspend")}
        </Menu.Item>
      )}
      <Menu.Divider />
      <Menu.Item
        color="red"
        onClick={() =>
          void act(() => body(api.DELETE("/api/users/{user}", { params })), t("removed", { email }), {
            title: t("remove.title", { email }),
            lost: t("remove.lost", { email }),
            action: t("remove"),
            typed: email,
          })
        }
      >
        {t("remove")}
      </Menu.Item>
    </RowMenu>
  );
}
