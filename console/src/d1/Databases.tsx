import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Database } from "lucide-react";
import { useMemo } from "react";

import { api, body } from "../api/client";
import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { ListPage, useEndColumn, useMaking } from "../ui/ListPage";
import { To } from "../ui/To";
import { databasesQuery, type Listed } from "./api";
import { useD1Text } from "./strings";

const PATH = "/client/v4/accounts/{account}/d1/database";

export function Databases() {
  const t = useD1Text();
  const account = useAccount();
  const navigate = useNavigate();
  const making = useMaking(t, async (name) => {
    await body(api.POST(PATH, { params: { path: { account } }, body: { name } }));
    await queries.invalidateQueries({ queryKey: key(account, "d1", "databases") });
  });
  const end = useEndColumn<Listed>(
    t,
    ({ name }) => name,
    async ({ uuid: database }) => {
      await body(api.DELETE(`${PATH}/{database}`, { params: { path: { account, database } } }));
      await queries.invalidateQueries({ queryKey: key(account, "d1") });
    },
  );
  const columns = useMemo<Column<Listed>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        value: ({ name }) => name,
        cell: ({ name, uuid }) => (
          <To to="/a/$account/d1/$database" params={{ account, database: uuid }} fw={500}>
            {name}
          </To>
        ),
      },
      { id: "id", header: t("id"), wide: true, cell: ({ uuid }) => <code>{uuid}</code> },
      {
        id: "created",
        header: t("created"),
        width: "8rem",
        align: "end",
        value: ({ created_at: when }) => when,
        cell: ({ created_at: when }) => <Text c="dimmed">{ago(when)}</Text>,
      },
    ],
    [t, account],
  );
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={Database}
      query={useQuery(databasesQuery(account))}
      columns={columns}
      may={useMay("d1")}
      rowKey={({ uuid }) => uuid}
      search={({ uuid, name }) => `${name} ${uuid}`}
      sort="name"
      onOpen={({ uuid }) => void navigate({ to: "/a/$account/d1/$database", params: { account, database: uuid } })}
      begin={making.begin}
      actions={end}
      commands={["npx wrangler d1 create shop", "npx wrangler d1 migrations apply shop --remote"]}
    >
      {making.form}
    </ListPage>
  );
}
