import { Badge, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Zap } from "lucide-react";
import { useMemo } from "react";

import type { Schema } from "../api/client";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { workersQuery } from "./list";
import { useWorkersText } from "./strings";

type Script = Schema<"Script">;

const name = (script: Script) => script.id;

export function List() {
  const t = useWorkersText();
  const account = useAccount();
  const workers = useQuery(workersQuery(account));
  const columns = useMemo<Column<Script>[]>(
    () => [
      { id: "name", header: t("name"), cell: ({ id }) => <Text fw={500} className="cut">{id}</Text>, value: name },
      {
        id: "handlers",
        header: t("handlers"),
        wide: true,
        cell: ({ handlers }) => (handlers ?? []).map((handler) => <Badge key={handler} mr={4}>{handler}</Badge>),
      },
      {
        id: "modified",
        header: t("modified"),
        width: "9rem",
        align: "end",
        cell: ({ modified_on: when }) => <Text c="dimmed">{ago(when)}</Text>,
        value: ({ modified_on: when }) => when,
      },
    ],
    [t],
  );
  return (
    <Page title={t("title")}>
      <Loaded query={workers}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Zap} title={t("empty.title")} text={t("empty.text")} />
          ) : (
            <DataTable label={t("title")} columns={columns} rows={rows} rowKey={name} text={name} filterLabel={t("filter")} />
          )
        }
      </Loaded>
      <Commands lines={["npx wrangler deploy"]} />
    </Page>
  );
}
