import { Badge, Drawer, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Activity } from "lucide-react";
import { useMemo, useState } from "react";

import { DataTable, type Column } from "../../ui/DataTable";
import { ago, brief, count, duration, moment } from "../../ui/format";
import { Empty, Loaded } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { callsQuery, type CallRecord } from "../api";
import { useFunctionsText } from "../strings";
import { Outcome } from "./Outcome";

export function Calls(props: { account: string; id: string }) {
  const t = useFunctionsText();
  const w = useWords();
  const calls = useQuery(callsQuery(props.account, props.id));
  const [open, setOpen] = useState<CallRecord>();
  const columns = useMemo<Column<CallRecord>[]>(
    () => [
      { id: "time", header: t("time"), width: "10rem", value: ({ started_at: at }) => at, cell: ({ started_at: at }) => <span title={moment(at)}>{ago(at)}</span> },
      {
        id: "outcome",
        header: t("outcome"),
        value: ({ success, error }) => (success ? "" : (error?.type ?? "?")),
        cell: ({ success, error }) => <Badge color={success ? "teal" : "red"}>{success ? t("ok") : (error?.type ?? t("failed"))}</Badge>,
      },
      { id: "via", header: t("via"), wide: true, width: "6rem", cell: ({ via }) => <Text c="dimmed">{t(`via.${via}`)}</Text> },
      { id: "cold", header: "", wide: true, width: "6rem", cell: ({ cold_start: cold }) => (cold ? <Badge>{t("cold")}</Badge> : null) },
      { id: "memory", header: t("memoryUsed"), wide: true, width: "6rem", align: "end", value: (row) => row.memory_mb, cell: (row) => `${row.memory_mb.toFixed(1)} MB` },
      { id: "duration", header: t("duration"), width: "6rem", align: "end", value: (row) => row.duration_ms, cell: (row) => duration(row.duration_ms) },
    ],
    [t],
  );
  return (
    <Loaded query={calls}>
      {({ invocations: rows, total }) =>
        rows.length === 0 ? (
          <Empty icon={Activity} title={t("calls.empty.title")} text={t("calls.empty.text")} />
        ) : (
          <>
            {total > rows.length && (
              <Text c="dimmed" fz="sm" mb="xs">
                {t("calls.shown", { shown: count(rows.length), count: count(total) })}
              </Text>
            )}
            <DataTable
              label={t("tab.calls")}
              columns={columns}
              rows={rows}
              rowKey={(row) => row.request_id}
              text={(row) => `${row.request_id} ${row.error?.type ?? ""} ${row.error?.message ?? ""} ${row.logs.join(" ")}`}
              onOpen={setOpen}
            />
            <Drawer
              opened={open !== undefined}
              onClose={() => setOpen(undefined)}
              position="right"
              size="lg"
              title={
                <Text fw={600} component="span">
                  {t("call", { id: brief(open?.request_id ?? "") })}
                </Text>
              }
              closeButtonProps={{ "aria-label": w("close") }}
            >
              {open !== undefined && <Outcome call={open} />}
            </Drawer>
          </>
        )
      }
    </Loaded>
  );
}
