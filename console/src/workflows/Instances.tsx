import { Badge, Button, Select, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Play, RefreshCw, Workflow as Icon } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { api, result, type Schema } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { isJson } from "../ui/content";
import { DataTable, type Column } from "../ui/DataTable";
import { Editor } from "../ui/editor";
import { Facts } from "../ui/Facts";
import { FormModal } from "../ui/FormModal";
import { ago } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { done } from "../ui/toast";
import { To } from "../ui/To";
import { COLOURS, instancesQuery, OPEN, stale, workflowQuery, type Status } from "./api";
import { useWorkflowsText } from "./strings";

const STATUSES: Status[] = ["queued", "running", "waiting", "paused", "complete", "errored", "terminated"];

interface Row {
  id: string;
  status: Status;
  created_on: string | null;
  modified_on: string | null;
}

export function Instances() {
  const t = useWorkflowsText();
  const account = useAccount();
  const navigate = useNavigate();
  const { workflow = "" } = useParams({ strict: false });
  const may = useMay("workers");
  const about = useQuery(workflowQuery(account, workflow));
  const [status, setStatus] = useState<Status>();
  const list = useInfiniteQuery({
    ...instancesQuery(account, workflow, status),
    // What runs is looked at while somebody looks.
    refetchInterval: ({ state }) =>
      state.data?.pages.some(({ instances }) => instances.some((one) => OPEN.has(one.status))) === true ? 3000 : false,
  });
  const [starting, setStarting] = useState(false);
  const { data, fetchNextPage, hasNextPage, isFetchingNextPage } = list;
  const rows = useMemo<Row[]>(() => data?.pages.flatMap((page) => page.instances) ?? [], [data]);
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const columns = useMemo<Column<Row>[]>(
    () => [
      {
        id: "id",
        header: t("instance"),
        cell: ({ id }) => (
          <To to="/a/$account/workflows/$workflow/$instance" params={{ account, workflow, instance: id }} className="mono">
            {id}
          </To>
        ),
      },
      { id: "status", header: t("status"), width: "8rem", cell: (row) => <Badge color={COLOURS[row.status]}>{t(`status.${row.status}`)}</Badge> },
      {
        id: "created",
        header: t("created"),
        wide: true,
        width: "9rem",
        align: "end",
        cell: (row) => (row.created_on === null ? null : <Text c="dimmed">{ago(row.created_on)}</Text>),
      },
    ],
    [t, account, workflow],
  );

  return (
    <Page
      title={workflow}
      crumbs={[{ label: t("title"), to: `/a/${account}/workflows` }]}
      actions={
        may && (
          <Button leftSection={<Play size={13} />} onClick={() => setStarting(true)}>
            {t("trigger")}
          </Button>
        )
      }
    >
      <Loaded query={about} rows={2}>
        {(data) => (
          <Facts
            facts={[
              [
                t("worker"),
                <To key="worker" to={`/a/${account}/workers/${data.script_name}` as string}>
                  {data.script_name}
                </To>,
              ],
              [t("class"), data.class_name],
              [t("created"), ago(data.created_on)],
            ]}
          />
        )}
      </Loaded>
      <div style={{ display: "flex", gap: 8 }}>
        <Select
          aria-label={t("status")}
          value={status ?? "all"}
          onChange={(to) => setStatus(to === null || to === "all" ? undefined : (to as Status))}
          data={[{ value: "all", label: t("all") }, ...STATUSES.map((value) => ({ value, label: t(`status.${value}`) }))]}
          allowDeselect={false}
          w={180}
        />
        <Button size="sm" variant="default" leftSection={<RefreshCw size={13} />} loading={list.isFetching} onClick={() => void list.refetch()}>
          {t("refresh")}
        </Button>
      </div>
      <Loaded query={list}>
        {() =>
          rows.length === 0 ? (
            status === undefined ? (
              <Empty icon={Icon} title={t("instances.empty.title")} text={t("instances.empty.text")}>
                {may && (
                  <Button variant="default" onClick={() => setStarting(true)}>
                    {t("trigger")}
                  </Button>
                )}
              </Empty>
            ) : (
              <Text c="dimmed">{t("instances.none")}</Text>
            )
          ) : (
            <DataTable
              label={t("instances")}
              columns={columns}
              rows={rows}
              rowKey={({ id }) => id}
              onOpen={({ id: instance }) =>
                void navigate({ to: "/a/$account/workflows/$workflow/$instance", params: { account, workflow, instance } })
              }
              onEnd={more}
            />
          )
        }
      </Loaded>
      <Commands
        lines={[
          `npx wrangler workflows trigger ${workflow} '{"order": 1}'`,
          `npx wrangler workflows instances list ${workflow}`,
          `npx wrangler workflows instances describe ${workflow} latest`,
        ]}
      />
      <Start account={account} workflow={workflow} opened={starting} onClose={() => setStarting(false)} />
    </Page>
  );
}

function Start(props: { account: string; workflow: string; opened: boolean; onClose: () => void }) {
  const t = useWorkflowsText();
  const navigate = useNavigate();
  const { account, workflow } = props;
  const [id, setId] = useState("");
  const [params, setParams] = useState("{}");
  const bad = params.trim() !== "" && !isJson(params);
  return (
    <FormModal
      title={t("trigger")}
      opened={props.opened}
      onClose={props.onClose}
      action={t("trigger.action")}
      ready={!bad}
      size="lg"
      submit={async () => {
        const sent = {
          ...(id.trim() === "" ? {} : { instance_id: id.trim() }),
          ...(params.trim() === "" ? {} : { params: JSON.parse(params) as never }),
        } as Schema<"NewInstance">;
        const path = "/client/v4/accounts/{account}/workflows/{workflow}/instances";
        const made = await result(api.POST(path, { params: { path: { account, workflow } }, body: sent }));
        done(t("trigger.done", { id: made.id }));
        await stale(account);
        await navigate({ to: "/a/$account/workflows/$workflow/$instance", params: { account, workflow, instance: made.id } });
      }}
    >
      <TextInput
        label={t("trigger.id")}
        description={t("trigger.id.text")}
        value={id}
        onChange={(event) => setId(event.currentTarget.value)}
        spellCheck={false}
        autoComplete="off"
      />
      <Text fz="sm" fw={500}>
        {t("trigger.params")}
      </Text>
      <Editor label={t("trigger.params")} language="json" value={params} onChange={setParams} height="9rem" />
      {bad && (
        <Text fz="sm" c="var(--bad)">
          {t("trigger.bad")}
        </Text>
      )}
    </FormModal>
  );
}
