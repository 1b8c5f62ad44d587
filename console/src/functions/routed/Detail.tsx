import { Button, Fieldset, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";

import { apiOf, body, type Schema } from "../../api/client";
import { useAccount } from "../../app/account";
import { useMay } from "../../app/rights";
import { Editor } from "../../ui/editor";
import { Facts } from "../../ui/Facts";
import { count, duration } from "../../ui/format";
import { useSending } from "../../ui/sending";
import { Failure, Loaded } from "../../ui/states";
import { done } from "../../ui/toast";
import { TestPanel } from "../../workers/edit/TestPanel";
import { routedOneQuery, routedStatsQuery, stale } from "../api";
import classes from "../Desk.module.css";
import { FunctionPage } from "../FunctionPage";
import { useFunctionsText } from "../strings";
import { FieldsForm, fieldsOf, sent } from "./fields";

type Known = Schema<"NexoFunctionWithCode">;

export function Detail() {
  const t = useFunctionsText();
  const account = useAccount();
  const { id = "" } = useParams({ strict: false });
  const urlOf = (known: Known | undefined) => (known === undefined ? "" : `${window.location.origin}/fn${known.route}`);
  return (
    <FunctionPage
      account={account}
      about={routedOneQuery(account, id)}
      nameOf={({ name }) => name}
      text={(known) => <code>{urlOf(known)}</code>}
      parts={(known) => [
        { id: "code", label: t("tab.code"), show: () => <Code account={account} known={known} /> },
        { id: "stats", label: t("tab.stats"), show: () => <Stats account={account} id={id} /> },
        { id: "settings", label: t("tab.settings"), show: () => <Settings key={known.updated_at} account={account} known={known} /> },
      ]}
      end={() => body(apiOf(account).DELETE("/api/functions/{id}", { params: { path: { id } } }))}
      commands={(known) => [`curl ${urlOf(known)}`, `npx wrangler tail ${known?.name ?? ""}`]}
    />
  );
}

interface One {
  account: string;
  known: Known;
}

function useStore({ account, known }: One, said: string) {
  const { busy, error, send } = useSending();
  const store = (part: { code?: string; route?: string; methods?: string[]; env?: Record<string, string> }) =>
    send(async () => {
      await body(apiOf(account).PUT("/api/functions/{id}", { params: { path: { id: known.id } }, body: part }));
      done(said);
      await stale(account);
    });
  return { busy, error, store };
}

function Code(props: One) {
  const t = useFunctionsText();
  const { known, account } = props;
  const [code, setCode] = useState(known.code);
  const { busy, error, store } = useStore(props, t("saved", { name: known.name }));
  const changed = code !== known.code;
  const may = useMay("workers");
  const save = () => void (changed && code.trim() !== "" && store({ code }));
  return (
    <div className={classes.desk}>
      <Stack gap="sm" className={classes.code}>
        <Editor label={t("code")} language="javascript" value={code} onChange={setCode} height="27rem" readOnly={!may} {...(may ? { onSubmit: save } : {})} />
        {error !== undefined && <Failure error={error} />}
        <Group>
          {may && (
            <Button onClick={save} loading={busy} disabled={!changed || code.trim() === ""}>
              {t("save")}
            </Button>
          )}
          <Text c="dimmed" fz="sm" role="status">
            {changed ? t("unsaved") : `${t("version")} ${known.version ?? ""}`}
          </Text>
        </Group>
      </Stack>
      {may && <TestPanel one={{ account, worker: known.id }} stale={changed} />}
    </div>
  );
}

function Settings(props: One) {
  const t = useFunctionsText();
  const { known } = props;
  const may = useMay("workers");
  const [fields, setFields] = useState(fieldsOf(known));
  const { busy, error, store } = useStore(props, t("settingsSaved"));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void store(sent(fields));
      }}
    >
      <Fieldset variant="unstyled" disabled={!may}>
        <Stack maw={640}>
          <FieldsForm name={known.name} fields={fields} onChange={setFields} />
          {error !== undefined && <Failure error={error} />}
          <div>
            <Button type="submit" loading={busy}>
              {t("save")}
            </Button>
          </div>
        </Stack>
      </Fieldset>
    </form>
  );
}

function Stats(props: { account: string; id: string }) {
  const t = useFunctionsText();
  const stats = useQuery(routedStatsQuery(props.account, props.id));
  return (
    <Loaded query={stats}>
      {({ requests, latency_ms: latency, isolates }) => (
        <Facts
          facts={[
            [t("calls"), count(requests.total)],
            [t("errors"), count(requests.errors)],
            [t("inFlight"), count(requests.in_flight)],
            [t("p50"), duration(latency.p50)],
            [t("p95"), duration(latency.p95)],
            [t("p99"), duration(latency.p99)],
            [t("running"), `${isolates.active + isolates.idle} (${isolates.idle} ${t("idle")})`],
          ]}
        />
      )}
    </Loaded>
  );
}
