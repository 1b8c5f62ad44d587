import { Badge, Button, Select, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Plus, Trash2, Users } from "lucide-react";
import { useState } from "react";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { Page, Section } from "../ui/Page";
import { RowAction } from "../ui/RowAction";
import { Empty, Loaded } from "../ui/states";
import { done, failed } from "../ui/toast";
import { change, invite, remove, useMembers, useRoles, type Member, type Role } from "./members";
import { useMembersText } from "./strings";

export function Members() {
  const t = useMembersText();
  const account = useAccount();
  const asked = useAsked();
  const named = (one: Role | undefined) => (one === undefined ? "" : t(`role.${one.name}`));
  const members = useMembers(account);
  const { data: roles = [] } = useRoles(account);
  const [open, form] = useDisclosure();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<string | null>(null);
  const may = useMay("members");
  // Nobody makes anybody more than he is himself, nor takes that from them.
  const owns = useMay("ownership");
  const mayChange = (one: Role | undefined) => may && (owns || one?.name !== "owner");
  const choices = roles.filter(mayChange).map((one) => ({ value: one.id, label: named(one) }));

  async function become(member: Member, to: string | null) {
    if (to === null || to === member.roles[0]?.id) return;
    try {
      await change(account, member.id, to);
      done(t("changed", { email: member.user.email }));
    } catch (error) {
      failed(error);
    }
  }

  async function away(member: Member) {
    const who = { email: member.user.email };
    const question = { title: t("remove", who), lost: t("remove.lost", who), action: t("remove.action") };
    await asked(question, async () => {
      await remove(account, member.id);
      done(t("removed", who));
    });
  }

  const columns: Column<Member>[] = [
    {
      id: "email",
      header: t("email"),
      width: "minmax(0, 1.6fr)",
      cell: ({ user }) => (
        <Text className="cut">
          <Text span fw={500}>
            {user.email}
          </Text>{" "}
          <Text span c="dimmed">
            {user.first_name}
          </Text>
        </Text>
      ),
      value: ({ user }) => user.email,
    },
    {
      id: "role",
      header: t("role"),
      cell: (member) =>
        mayChange(member.roles[0]) ? (
          <Select
            aria-label={t("change", { email: member.user.email })}
            size="xs"
            data={choices}
            value={member.roles[0]?.id ?? null}
            onChange={(to) => void become(member, to)}
            allowDeselect={false}
          />
        ) : (
          named(member.roles[0])
        ),
      value: ({ roles: [one] }) => named(one),
    },
    {
      id: "state",
      header: t("state"),
      wide: true,
      width: "7rem",
      cell: ({ status }) => (
        <Badge color={status === "accepted" ? "teal" : "blue"} c="var(--mantine-color-text)">
          {t(`state.${status}`)}
        </Badge>
      ),
      value: ({ status }) => status,
    },
    {
      id: "remove",
      header: "",
      width: "2.2rem",
      cell: (member) =>
        mayChange(member.roles[0]) && <RowAction icon={Trash2} label={t("remove", { email: member.user.email })} onClick={() => void away(member)} />,
    },
  ];
  const add = (
    <Button
      leftSection={<Plus size={14} />}
      onClick={() => {
        setEmail("");
        setRole(roles.find((one) => one.name === "developer")?.id ?? null);
        form.open();
      }}
    >
      {t("invite")}
    </Button>
  );
  return (
    <Page title={t("title")} text={t("text")} actions={may && add}>
      <Loaded query={members}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Users} title={t("empty.title")} text={t("empty.text")} />
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ id }) => id}
              text={({ user }) => `${user.email} ${user.first_name ?? ""}`}
              filterLabel={t("find")}
              sort={{ id: "email" }}
            />
          )
        }
      </Loaded>
      <Section title={t("roles")}>
        {roles.map((one) => (
          <Text key={one.id}>
            <Text span fw={500}>
              {named(one)}
            </Text>{" "}
            <Text span c="dimmed">
              {one.description}
            </Text>
          </Text>
        ))}
      </Section>
      <Commands
        lines={[
          `curl -H "Authorization: Bearer $TOKEN" $HEARTH/client/v4/accounts/${account}/members -H "Content-Type: application/json" \\`,
          `  -d '{"email":"ann@corp.test","roles":["developer"]}'`,
        ]}
      />
      <FormModal
        title={t("invite")}
        action={t("invite")}
        opened={open}
        onClose={form.close}
        ready={email.trim() !== "" && role !== null}
        submit={async () => {
          await invite(account, email.trim(), role ?? "");
          done(t("invited", { email: email.trim() }));
        }}
      >
        <TextInput
          label={t("email")}
          description={t("invite.hint")}
          type="email"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          data-autofocus
        />
        <Select label={t("role")} data={choices} value={role} onChange={setRole} allowDeselect={false} />
      </FormModal>
    </Page>
  );
}
