import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { ListTree, Play, Undo2 } from "lucide-react";
import { useState } from "react";

import { Commands } from "../ui/Commands";
import { useAsked } from "../ui/confirm";
import { Editor } from "../ui/editor";
import { count, duration } from "../ui/format";
import { Shown } from "../ui/Shown";
import { Failure } from "../ui/states";
import { done } from "../ui/toast";
import { save } from "../ui/transfer";
import { bookmark, restore, run, stale, type Outcome } from "./api";
import { Rows } from "./Rows";
import { statements, treeOf } from "./plan";
import { useD1Text } from "./strings";

type Shownable = { kind: "results"; outcomes: Outcome[]; before: string | undefined } | { kind: "plans"; plans: string[] };

/** What is typed stays while one looks at another tab. */
const typed = new Map<string, string>();

export function Sql(props: { account: string; database: string; name: string }) {
  const t = useD1Text();
  const asked = useAsked();
  const { account, database } = props;
  const [sql, setSql] = useState(typed.get(database) ?? "");
  const [busy, setBusy] = useState<"run" | "plan">();
  const [error, setError] = useState<unknown>();
  const [shown, setShown] = useState<Shownable>();
  const change = (text: string) => {
    typed.set(database, text);
    setSql(text);
  };

  async function attempt(what: "run" | "plan", act: () => Promise<Shownable>) {
    if (sql.trim() === "" || busy !== undefined) return;
    setBusy(what);
    setError(undefined);
    try {
      setShown(await act());
    } catch (refused) {
      setShown(undefined);
      setError(refused);
    } finally {
      setBusy(undefined);
    }
  }

  const execute = () =>
    attempt("run", async () => {
      // Where it can be brought back to, should it change anything.
      const before = await bookmark(account, database);
      const outcomes = await run(account, database, sql);
      const changed = outcomes.some(({ meta }) => meta.changed_db);
      if (changed) await stale(account, database);
      return { kind: "results", outcomes, before: changed ? before : undefined };
    });

  const explain = () =>
    attempt("plan", async () => {
      const plans: string[] = [];
      for (const one of await statements(sql)) {
        const [outcome] = await run(account, database, `EXPLAIN QUERY PLAN ${one}`);
        plans.push(treeOf(outcome?.rows ?? []));
      }
      return { kind: "plans", plans };
    });

  async function undo(to: string) {
    await asked({ title: t("undo.title"), lost: t("undo.lost"), action: t("undo.action") }, async () => {
      await restore(account, database, { bookmark: to });
      setShown(undefined);
      done(t("undone"));
    });
  }

  return (
    <Stack>
      <Editor label={t("statement")} language="sql" value={sql} onChange={change} height="13rem" onSubmit={() => void execute()} />
      <Group gap="xs">
        <Button leftSection={<Play size={13} />} onClick={() => void execute()} loading={busy === "run"} disabled={sql.trim() === ""}>
          {t("run")}
        </Button>
        <Button
          variant="default"
          leftSection={<ListTree size={13} />}
          onClick={() => void explain()}
          loading={busy === "plan"}
          disabled={sql.trim() === ""}
        >
          {t("plan")}
        </Button>
        <Text c="dimmed" fz="sm">
          {t("sql.hint")}
        </Text>
      </Group>
      {error !== undefined && <Failure error={error} />}
      {shown?.kind === "results" && (
        <Stack role="region" aria-live="polite" aria-label={t("result.title", { number: "" })}>
          {shown.before !== undefined && (
            <Alert color="gray" variant="light" py="xs">
              <Group justify="space-between" gap="xs">
                {t("changed")}
                <Button variant="default" leftSection={<Undo2 size={13} />} onClick={() => void undo(shown.before ?? "")}>
                  {t("undo")}
                </Button>
              </Group>
            </Alert>
          )}
          {shown.outcomes.map((outcome, at) => (
            <OneResult key={at} number={at + 1} outcome={outcome} alone={shown.outcomes.length === 1} />
          ))}
        </Stack>
      )}
      {shown?.kind === "plans" &&
        shown.plans.map((plan, at) => (
          <div key={at}>
            <Text fz="sm" fw={500} mb={4}>
              {t("plan.title", { number: at + 1 })}
            </Text>
            <Shown text={plan === "" ? t("plan.none") : plan} label={t("plan.title", { number: at + 1 })} />
          </div>
        ))}
      <Commands
        lines={[
          `npx wrangler d1 execute ${props.name} --remote --command "SELECT 1"`,
          `npx wrangler d1 execute ${props.name} --remote --file changes.sql`,
        ]}
      />
    </Stack>
  );
}

function OneResult(props: { number: number; outcome: Outcome; alone: boolean }) {
  const t = useD1Text();
  const { number, outcome } = props;
  const { columns, rows, meta } = outcome;
  const label = t("result.title", { number: props.alone ? "" : number });
  const meta_ = t("result.meta", {
    time: duration(meta.timings.sql_duration_ms),
    read: count(meta.rows_read),
    written: count(meta.rows_written),
  });
  return (
    <div>
      <Group gap="xs" mb={6}>
        <Text fz="sm" fw={500}>
          {label}
        </Text>
        <Text fz="sm" c="dimmed">
          {columns.length === 0 ? t("result.done", { changes: count(meta.changes) }) : t("result.rows", { count: rows.length })} {meta_}
        </Text>
        {rows.length > 0 && (
          <Button
            variant="subtle"
            color="gray"
            onClick={() => {
              const objects = rows.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]])));
              save(JSON.stringify(objects, null, 2), "result.json");
            }}
          >
            {t("result.save")}
          </Button>
        )}
      </Group>
      {columns.length > 0 && rows.length > 0 && <Rows label={label} columns={columns} rows={rows} tall={12} />}
    </div>
  );
}
