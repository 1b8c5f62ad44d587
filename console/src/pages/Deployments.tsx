import { Anchor, Badge, Group, Menu, Modal, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { PanelsTopLeft, RotateCw, ScrollText, Trash2, Undo2 } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { useMay } from "../app/rights";
import { useConfirm } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { ago, clock } from "../ui/format";
import { RowMenu } from "../ui/RowMenu";
import { Shown } from "../ui/Shown";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { act, deploymentsQuery, logQuery, stale, type Deployment, type Project } from "./api";
import { usePagesText } from "./strings";

export function Deployments(props: { account: string; project: Project }) {
  const t = usePagesText();
  const w = useWords();
  const confirm = useConfirm();
  const may = useMay("pages");
  const { account, project } = props;
  const name = project.name;
  const live = project.canonical_deployment;
  const deployments = useQuery(deploymentsQuery(account, name));
  const [log, setLog] = useState<Deployment>();

  const columns = useMemo<Column<Deployment>[]>(() => {
    async function attempt(run: () => Promise<unknown>, said: string) {
      try {
        await run();
        done(said);
      } catch (error) {
        failed(error);
      }
    }
    async function rollback({ id, short_id: short }: Deployment) {
      const yes = await confirm({
        title: t("rollback.title", { id: short }),
        lost: t("rollback.lost", { live: live?.short_id ?? "" }),
        action: t("rollback"),
        mild: true,
      });
      if (yes) await attempt(() => act(account, name, id, "rollback"), t("rollback.done", { id: short }));
    }
    async function remove({ id, short_id: short, url }: Deployment) {
      const yes = await confirm({ title: t("remove.title", { id: short }), lost: t("remove.lost", { url }), action: t("remove.action") });
      if (!yes) return;
      const params = { path: { account, project: name, deployment: id } };
      await attempt(async () => {
        await body(api.DELETE("/client/v4/accounts/{account}/pages/projects/{project}/deployments/{deployment}", { params: { ...params, query: { force: true } } as never }));
        await stale(account);
      }, t("remove.done", { id: short }));
    }
    return [
      {
        id: "id",
        header: t("deployment"),
        width: "minmax(0, 1.4fr)",
        cell: (row) => (
          <Group gap={6} wrap="nowrap">
            <Anchor href={row.url} target="_blank" rel="noreferrer" className="mono" fw={500} c="inherit" aria-label={t("open", { url: row.url })}>
              {row.short_id}
            </Anchor>
            {row.id === live?.id && <Badge color="teal">{t("live")}</Badge>}
            {row.environment === "preview" && <Badge>{t("preview")}</Badge>}
            {row.uses_functions && <Badge>{t("functions")}</Badge>}
          </Group>
        ),
      },
      {
        id: "branch",
        header: t("upload.branch"),
        wide: true,
        width: "8rem",
        cell: (row) => <span className="cut">{row.deployment_trigger.metadata.branch}</span>,
      },
      {
        id: "message",
        header: t("commit"),
        wide: true,
        cell: (row) => (
          <Text c="dimmed" className="cut">
            {row.deployment_trigger.metadata.commit_message}
          </Text>
        ),
      },
      { id: "when", header: t("when"), width: "8rem", align: "end", cell: (row) => <Text c="dimmed">{ago(row.created_on)}</Text> },
      {
        id: "do",
        header: "",
        width: "2rem",
        align: "end",
        cell: (row) => (
          <RowMenu label={`${w("actions")} ${row.short_id}`}>
            {may && row.environment === "production" && row.id !== live?.id && (
              <Menu.Item leftSection={<Undo2 size={14} />} onClick={() => void rollback(row)}>
                {t("rollback")}
              </Menu.Item>
            )}
            {may && (
              <Menu.Item leftSection={<RotateCw size={14} />} onClick={() => void attempt(() => act(account, name, row.id, "retry"), t("retry.done"))}>
                {t("retry")}
              </Menu.Item>
            )}
            <Menu.Item leftSection={<ScrollText size={14} />} onClick={() => setLog(row)}>
              {t("log")}
            </Menu.Item>
            {may && row.id !== live?.id && (
              <Menu.Item leftSection={<Trash2 size={14} />} color="var(--bad)" onClick={() => void remove(row)}>
                {t("remove.action")}
              </Menu.Item>
            )}
          </RowMenu>
        ),
      },
    ];
  }, [t, w, account, name, live, confirm, may]);

  return (
    <>
      <Loaded query={deployments}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={PanelsTopLeft} title={t("deployments.empty.title")} text={t("deployments.empty.text")} />
          ) : (
            <DataTable label={t("tab.deployments")} columns={columns} rows={rows} rowKey={({ id }) => id} />
          )
        }
      </Loaded>
      <Modal
        opened={log !== undefined}
        onClose={() => setLog(undefined)}
        size="xl"
        title={
          <Text fw={600} component="span">
            {t("log.title", { id: log?.short_id ?? "" })}
          </Text>
        }
        closeButtonProps={{ "aria-label": w("close") }}
      >
        {log !== undefined && <Log account={account} project={name} deployment={log.id} />}
      </Modal>
    </>
  );
}

function Log(props: { account: string; project: string; deployment: string }) {
  const t = usePagesText();
  const log = useQuery(logQuery(props.account, props.project, props.deployment));
  return (
    <Loaded query={log} rows={3}>
      {({ data }) =>
        data.length === 0 ? (
          <Text c="dimmed">{t("log.none")}</Text>
        ) : (
          <Shown label={t("log")} text={data.map(({ line, ts }) => `${clock(ts)}  ${line}`).join("\n")} tall={480} />
        )
      }
    </Loaded>
  );
}
