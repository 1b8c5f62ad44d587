import { ActionIcon, Anchor, Button, Menu, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, useNavigate } from "@tanstack/react-router";
import { Building2, EllipsisVertical, Plus } from "lucide-react";
import { useState } from "react";

import { api, result, type Schema } from "../api/client";
import { queries } from "../api/query";
import { accountsQuery, useAccounts } from "../api/session";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { FormModal } from "../ui/FormModal";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { done, failed } from "../ui/toast";
import { useAccountsText } from "./strings";

type Account = Schema<"Account">;

const changed = () => queries.invalidateQueries({ queryKey: accountsQuery.queryKey });

export function Accounts() {
  const t = useAccountsText();
  const navigate = useNavigate();
  const accounts = useAccounts();
  const [open, form] = useDisclosure();
  const [name, setName] = useState("");
  const [renaming, setRenaming] = useState<Account>();

  const columns: Column<Account>[] = [
    {
      id: "name",
      header: t("name"),
      cell: (row) => (
        <Anchor component={Link} to={`/a/${row.id}`} c="inherit" fw={500} className="cut">
          {row.name}
        </Anchor>
      ),
      value: (row) => row.name,
    },
    {
      id: "id",
      header: t("id"),
      width: "minmax(0, 1.4fr)",
      cell: ({ id }) => (
        <Text c="dimmed" className="mono cut">
          {id}
        </Text>
      ),
    },
    {
      id: "created",
      header: t("created"),
      wide: true,
      width: "9rem",
      cell: ({ created_on: when }) => <Text c="dimmed">{ago(when)}</Text>,
      value: ({ created_on: when }) => when,
    },
    {
      id: "menu",
      header: "",
      width: "2.2rem",
      cell: (row) => (
        <Actions
          account={row}
          rename={() => {
            setName(row.name);
            setRenaming(row);
          }}
        />
      ),
    },
  ];
  const field = (
    <TextInput
      label={t("name")}
      description={t("name.hint")}
      value={name}
      onChange={(event) => setName(event.currentTarget.value)}
      data-autofocus
    />
  );
  const create = (
    <Button
      leftSection={<Plus size={14} />}
      onClick={() => {
        setName("");
        form.open();
      }}
    >
      {t("create")}
    </Button>
  );
  return (
    <Page title={t("title")} text={t("text")} actions={create}>
      <Loaded query={accounts}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Building2} title={t("title")} text={t("text")} />
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ id }) => id}
              text={(row) => `${row.name} ${row.id}`}
              filterLabel={t("find")}
              onOpen={({ id }) => void navigate({ to: "/a/$account", params: { account: id } })}
            />
          )
        }
      </Loaded>
      <Commands
        lines={[
          'curl -H "Authorization: Bearer $TOKEN" $HEARTH/client/v4/accounts -H "Content-Type: application/json" \\',
          `  -d '{"name":"Payments"}'`,
        ]}
      />
      <FormModal
        title={t("create")}
        action={t("create")}
        opened={open}
        onClose={form.close}
        ready={name.trim() !== ""}
        submit={async () => {
          await result(api.POST("/client/v4/accounts", { body: { name: name.trim() } }));
          await changed();
          done(t("made", { name: name.trim() }));
        }}
      >
        {field}
      </FormModal>
      <FormModal
        title={t("rename.title", { name: renaming?.name ?? "" })}
        action={t("rename")}
        opened={renaming !== undefined}
        onClose={() => setRenaming(undefined)}
        ready={name.trim() !== ""}
        submit={async () => {
          const params = { path: { account: renaming?.id ?? "" } };
          await result(api.PUT("/client/v4/accounts/{account}", { params, body: { name: name.trim() } }));
          await changed();
          done(t("renamed", { name: name.trim() }));
        }}
      >
        {field}
      </FormModal>
    </Page>
  );
}

function Actions(props: { account: Account; rename: () => void }) {
  const t = useAccountsText();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const { id, name } = props.account;

  async function remove() {
    const question = {
      title: t("remove.title", { name }),
      lost: t("remove.lost", { name }),
      action: t("remove.action"),
      typed: name,
    };
    if (!(await confirm(question))) return;
    try {
      await result(api.DELETE("/client/v4/accounts/{account}", { params: { path: { account: id } } }));
      await changed();
      done(t("removed", { name }));
    } catch (error) {
      failed(error);
    }
  }

  return (
    <Menu position="bottom-end" width={180}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={t("menu", { name })}>
          <EllipsisVertical size={16} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={props.rename}>{t("rename")}</Menu.Item>
        <Menu.Item onClick={() => void navigate({ to: "/a/$account/quotas", params: { account: id } })}>
          {t("quotas")}
        </Menu.Item>
        <Menu.Divider />
        <Menu.Item color="red" onClick={() => void remove()}>
          {t("remove")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
