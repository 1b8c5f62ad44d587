import { Badge, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import { useMemo } from "react";

import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { bytes } from "../ui/format";
import { ListPage } from "../ui/ListPage";
import { To } from "../ui/To";
import { namespacesQuery, type Namespace } from "./api";
import { useObjectsText } from "./strings";

export function Namespaces() {
  const t = useObjectsText();
  const account = useAccount();
  const navigate = useNavigate();
  const columns = useMemo<Column<Namespace>[]>(
    () => [
      {
        id: "class",
        header: t("class"),
        value: (row) => row.class,
        cell: (row) => (
          <To to="/a/$account/objects/$namespace" params={{ account, namespace: row.id }} fw={500}>
            {row.class}
          </To>
        ),
      },
      { id: "worker", header: t("worker"), value: (row) => row.script, cell: (row) => <span className="cut">{row.script}</span> },
      {
        id: "engine",
        header: t("engine"),
        wide: true,
        width: "7rem",
        cell: (row) => <Badge>{row.use_sqlite ? t("engine.sqlite") : t("engine.kv")}</Badge>,
      },
      {
        id: "storage",
        header: t("storage"),
        width: "6rem",
        align: "end",
        value: (row) => row.storage_bytes ?? 0,
        cell: (row) => (row.storage_bytes === null ? <Text c="dimmed">{t("unknown")}</Text> : bytes(row.storage_bytes)),
      },
    ],
    [t, account],
  );
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={Boxes}
      query={useQuery(namespacesQuery(account))}
      columns={columns}
      may={useMay("workers")}
      rowKey={(row) => row.id}
      search={(row) => `${row.class} ${row.script} ${row.id}`}
      sort="class"
      onOpen={({ id: namespace }) => void navigate({ to: "/a/$account/objects/$namespace", params: { account, namespace } })}
      commands={[
        `curl ${window.location.origin}/client/v4/accounts/${account}/workers/durable_objects/namespaces -H "Authorization: Bearer $TOKEN"`,
      ]}
    />
  );
}
