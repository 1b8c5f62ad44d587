import { Badge, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Workflow as Icon } from "lucide-react";
import { useMemo } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import type { Column } from "../ui/DataTable";
import { count } from "../ui/format";
import { ListPage, useEndColumn } from "../ui/ListPage";
import { To } from "../ui/To";
import { COLOURS, stale, workflowsQuery, type Status, type Workflow } from "./api";
import { useWorkflowsText } from "./strings";

export function List() {
  const t = useWorkflowsText();
  const account = useAccount();
  const navigate = useNavigate();
  const end = useEndColumn<Workflow>(
    t,
    ({ name }) => name,
    async ({ name: workflow }) => {
      await body(api.DELETE("/client/v4/accounts/{account}/workflows/{workflow}", { params: { path: { account, workflow } } }));
      await stale(account);
    },
  );
  const columns = useMemo<Column<Workflow>[]>(
    () => [
      {
        id: "name",
        header: t("name"),
        value: ({ name }) => name,
        cell: ({ name }) => (
          <To to="/a/$account/workflows/$workflow" params={{ account, workflow: name }} fw={500}>
            {name}
          </To>
        ),
      },
      { id: "worker", header: t("worker"), wide: true, cell: (row) => <Text c="dimmed" className="cut">{`${row.script_name} · ${row.class_name}`}</Text> },
      {
        id: "instances",
        header: t("instances"),
        cell: ({ instances = {} }) => (
          <Group gap={4} wrap="nowrap">
            {Object.entries(instances)
              .filter(([, number]) => number > 0)
              .map(([status, number]) => (
                <Badge key={status} color={COLOURS[status as Status] ?? "gray"}>
                  {`${t(`status.${status as Status}`)} ${count(number)}`}
                </Badge>
              ))}
          </Group>
        ),
      },
    ],
    [t, account],
  );
  return (
    <ListPage
      t={t}
      text={t("text")}
      icon={Icon}
      query={useQuery(workflowsQuery(account))}
      columns={columns}
      may={useMay("workers")}
      rowKey={({ name }) => name}
      search={(row) => `${row.name} ${row.script_name} ${row.class_name}`}
      sort="name"
      onOpen={({ name: workflow }) => void navigate({ to: "/a/$account/workflows/$workflow", params: { account, workflow } })}
      actions={end}
      commands={["npx wrangler workflows list", "npx wrangler workflows describe NAME"]}
    />
  );
}
