import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Cylinder } from "lucide-react";
import { useMemo } from "react";

import { api, body } from "../api/client";
import { key, queries } from "../api/query";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { ListPage, useEndColumn, useMaking } from "../ui/ListPage";
import { To } from "../ui/To";
import { bucketsQuery, type Bucket } from "./api";
import { useR2Text } from "./strings";

const PATH = "/client/v4/accounts/{account}/r2/buckets";

export function Buckets() {
  const t = useR2Text();
  const account = useAccount();
  const navigate = useNavigate();
  const making = useMaking(
    t,
    async (name) => {
      await body(api.POST(PATH, { params: { path: { account } }, body: { name } }));
      await queries.invalidateQueries({ queryKey: key(account, "r2", "buckets") });
    },
    t("name.text"),
  );
  const end = useEndColumn<Bucket>(
    t,
    ({ name }) => name,
    async ({ name: bucket }) => {
      await body(api.DELETE(`${PATH}/{bucket}`, { params: { path: { account, bucket } } }));
      await queries.invalidateQueries({ queryKey: key(account, "r2") });
    },
  );
  const columns = useMemo<Column<Bucket>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        value: ({ name }) => name,
        cell: ({ name }) => (
          <To to="/a/$account/r2/$bucket" params={{ account, bucket: name }} fw={500}>
            {name}
          </To>
        ),
      },
      { id: "class", header: t("class"), wide: true, width: "10rem", cell: ({ storage_class: own }) => <Text c="dimmed">{own}</Text> },
      {
        id: "created",
        header: t("created"),
        width: "8rem",
        align: "end",
        value: ({ creation_date: when }) => when,
        cell: ({ creation_date: when }) => <Text c="dimmed">{ago(when)}</Text>,
      },
    ],
    [t, account],
  );
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={Cylinder}
      query={useQuery(bucketsQuery(account))}
      columns={columns}
      may={useMay("r2_storage")}
      rowKey={({ name }) => name}
      search={({ name }) => name}
      sort="name"
      onOpen={({ name: bucket }) => void navigate({ to: "/a/$account/r2/$bucket", params: { account, bucket } })}
      begin={making.begin}
      actions={end}
      commands={["npx wrangler r2 bucket create photos", "npx wrangler r2 bucket list"]}
    >
      {making.form}
    </ListPage>
  );
}
