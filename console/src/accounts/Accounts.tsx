import { Anchor, Menu, Text } from "@mantine/core";
import { Link, useNavigate } from "@tanstack/react-router";
import { Building2 } from "lucide-react";
import { useState } from "react";

import { api, result, type Schema } from "../api/client";
import { queries } from "../api/query";
import { accountsQuery, useAccounts, useOperator } from "../api/session";
import type { Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { ListPage, useEnding, useMaking } from "../ui/ListPage";
import { NameForm } from "../ui/NameForm";
import { RowMenu } from "../ui/RowMenu";
import { done } from "../ui/toast";
import { useAccountsText } from "./strings";

type Account = Schema<"Account">;

const changed = () => queries.invalidateQueries({ queryKey: accountsQuery.queryKey });

export function Accounts() {
  const t = useAccountsText();
  const navigate = useNavigate();
  const making = useMaking(
    t,
    async (name) => {
      await result(api.POST("/client/v4/accounts", { body: { name } }));
      await changed();
    },
    t("name.hint"),
  );
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
  ];
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={Building2}
      query={useAccounts()}
      columns={columns}
      may={useOperator()}
      rowKey={({ id }) => id}
      search={(row) => `${row.name} ${row.id}`}
      onOpen={({ id }) => void navigate({ to: "/a/$account", params: { account: id } })}
      begin={making.begin}
      actions={{ id: "menu", header: "", width: "2.2rem", cell: (row) => <Actions account={row} rename={() => setRenaming(row)} /> }}
      commands={[
        'curl -H "Authorization: Bearer $TOKEN" $HEARTH/client/v4/accounts -H "Content-Type: application/json" \\',
        `  -d '{"name":"Payments"}'`,
      ]}
    >
      {making.form}
      <NameForm
        title={t("rename.title", { name: renaming?.name ?? "" })}
        action={t("rename")}
        opened={renaming !== undefined}
        onClose={() => setRenaming(undefined)}
        label={t("name")}
        hint={t("name.hint")}
        present={renaming?.name ?? ""}
        submit={async (name) => {
          const params = { path: { account: renaming?.id ?? "" } };
          await result(api.PUT("/client/v4/accounts/{account}", { params, body: { name } }));
          await changed();
          done(t("renamed", { name }));
        }}
      />
    </ListPage>
  );
}

function Actions(props: { account: Account; rename: () => void }) {
  const t = useAccountsText();
  const ending = useEnding(t);
  const navigate = useNavigate();
  const { id, name } = props.account;

  const remove = () =>
    ending(name, async () => {
      await result(api.DELETE("/client/v4/accounts/{account}", { params: { path: { account: id } } }));
      await changed();
    });

  return (
    <RowMenu label={t("menu", { name })}>
      <Menu.Item onClick={props.rename}>{t("rename")}</Menu.Item>
      <Menu.Item onClick={() => void navigate({ to: "/a/$account/quotas", params: { account: id } })}>
        {t("quotas")}
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item color="red" onClick={() => void remove()}>
        {t("delete")}
      </Menu.Item>
    </RowMenu>
  );
}
