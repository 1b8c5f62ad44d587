import { ActionIcon, Badge, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Trash2, Workflow as Icon } from "lucide-react";
import { useMemo } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { count } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { To } from "../ui/To";
import { COLOURS, stale, workflowsQuery, type Status, type Workflow } from "./api";
import { useWorkflowsText } from "./strings";

export function List() {
  const t = useWorkflowsText();
  const w = useWords();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const workflows = useQuery(workflowsQuery(account));
  const columns = useMemo<Column<Workflow>[]>(() => {
    async function remove(workflow: string) {
      const yes = await confirm({ title: t("delete.title", { name: workflow }), lost: t("delete.lost"), action: t("delete.action"), typed: workflow });
      if (!yes) return;
      try {
        await body(api.DELETE("/client/v4/accounts/{account}/workflows/{workflow}", { params: { path: { account, workflow } } }));
        done(t("deleted", { name: workflow }));
        await stale(account);
      } catch (error) {
        failed(error);
      }
    }
    return [
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
      {
        id: "do",
        header: "",
        width: "2rem",
        align: "end",
        cell: ({ name }) => (
          <ActionIcon variant="subtle" color="gray" aria-label={`${w("delete")} ${name}`} onClick={() => void remove(name)}>
            <Trash2 size={15} />
          </ActionIcon>
        ),
      },
    ];
  }, [t, w, account, confirm]);
  return (
    <Page title={t("title")} text={t("text")}>
      <Loaded query={workflows}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Icon} title={t("empty.title")} text={t("empty.text")} />
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={rows}
              rowKey={({ name }) => name}
              text={(row) => `${row.name} ${row.script_name} ${row.class_name}`}
              filterLabel={t("find")}
              sort={{ id: "name" }}
              onOpen={({ name: workflow }) => void navigate({ to: "/a/$account/workflows/$workflow", params: { account, workflow } })}
            />
          )
        }
      </Loaded>
      <Commands lines={["npx wrangler workflows list", "npx wrangler workflows describe NAME"]} />
    </Page>
  );
}
