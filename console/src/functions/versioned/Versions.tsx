import { Anchor, Badge, Button, Group, Menu, Text } from "@mantine/core";
import { Moon, Trash2, Undo2 } from "lucide-react";
import { useMemo } from "react";

import { apiOf, body, type Schema } from "../../api/client";
import { useMay } from "../../app/rights";
import { useConfirm } from "../../ui/confirm";
import { DataTable, type Column } from "../../ui/DataTable";
import { ago } from "../../ui/format";
import { RowMenu } from "../../ui/RowMenu";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { stale } from "../api";
import { useFunctionsText } from "../strings";

type Known = Schema<"DeployedFunction">;
type Version = Schema<"DeployedVersion">;

export function Versions(props: { account: string; known: Known }) {
  const t = useFunctionsText();
  const w = useWords();
  const confirm = useConfirm();
  const may = useMay("workers");
  const { account, known } = props;
  const name = known.funcName;

  const columns = useMemo<Column<Version>[]>(() => {
    const params = { path: { name } };
    async function attempt(act: () => Promise<unknown>, said: string) {
      try {
        await act();
        done(said);
      } catch (error) {
        failed(error);
      }
      await stale(account);
    }
    async function rollback(version: string) {
      const yes = await confirm({
        title: t("rollback.title", { version, name }),
        lost: t("rollback.lost", { latest: known.latest ?? "" }),
        action: t("rollback"),
        mild: true,
      });
      if (yes) {
        await attempt(() => body(apiOf(account).POST("/api/rollback/{name}", { params, body: { version } })), t("rolled", { version }));
      }
    }
    async function remove(version: string) {
      const yes = await confirm({
        title: t("version.delete.title", { version, name }),
        lost: t("version.delete.lost"),
        action: t("version.delete.action"),
      });
      if (yes) {
        const query = { version };
        await attempt(
          () => body(apiOf(account).DELETE("/api/deploy/{name}", { params: { ...params, query } })),
          t("version.deleted", { version }),
        );
      }
    }
    const stop = (version: string) =>
      attempt(() => body(apiOf(account).POST("/api/stop/{name}", { params, body: { version } })), t("stopped"));
    const actions: Column<Version> = {
      id: "do",
      header: "",
      width: "10rem",
      align: "end",
      cell: (row) => (
        <Group gap={4} justify="flex-end" wrap="nowrap">
          {!row.latest && (
            <Button variant="default" leftSection={<Undo2 size={13} />} onClick={() => void rollback(row.version)}>
              {t("rollback")}
            </Button>
          )}
          <RowMenu label={`${w("actions")} ${row.version}`}>
            <Menu.Item leftSection={<Moon size={14} />} onClick={() => void stop(row.version)}>
              {t("stop")}
            </Menu.Item>
            {!row.latest && (
              <Menu.Item leftSection={<Trash2 size={14} />} color="var(--bad)" onClick={() => void remove(row.version)}>
                {t("version.delete.action")}
              </Menu.Item>
            )}
          </RowMenu>
        </Group>
      ),
    };
    return [
      {
        id: "version",
        header: t("version"),
        cell: (row) => (
          <Group gap={6} wrap="nowrap">
            <Text fw={500} className="cut">
              {row.version}
            </Text>
            {row.latest && <Badge color="teal">{t("latest")}</Badge>}
            {row.alias !== "" && <Badge>{row.alias}</Badge>}
          </Group>
        ),
      },
      {
        id: "url",
        header: t("host"),
        wide: true,
        width: "minmax(0, 1.6fr)",
        cell: (row) => (
          <Anchor href={row.accessUrl} target="_blank" rel="noreferrer" fz="sm" aria-label={t("open", { url: row.accessUrl })}>
            {row.subdomain}
          </Anchor>
        ),
      },
      { id: "state", header: t("state"), wide: true, width: "7rem", cell: (row) => <Text c="dimmed">{t(`state.${row.state}`)}</Text> },
      { id: "created", header: t("createdAt"), wide: true, width: "8rem", align: "end", cell: (row) => <Text c="dimmed">{ago(row.created_at)}</Text> },
      ...(may ? [actions] : []),
    ];
  }, [t, w, account, name, known.latest, confirm, may]);
  return <DataTable label={t("tab.versions")} columns={columns} rows={known.versions} rowKey={({ version }) => version} rowHeight={46} />;
}
