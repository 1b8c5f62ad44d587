import { Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Trash2 } from "lucide-react";
import { useState } from "react";

import { api, body, type Schema } from "../../api/client";
import { useAccount } from "../../app/account";
import { Commands } from "../../ui/Commands";
import { useConfirm } from "../../ui/confirm";
import { Editor } from "../../ui/editor";
import { Facts } from "../../ui/Facts";
import { count, duration } from "../../ui/format";
import { Page } from "../../ui/Page";
import { Failure, Loaded } from "../../ui/states";
import { useTab } from "../../ui/tab";
import { done, failed } from "../../ui/toast";
import { TestPanel } from "../../workers/edit/TestPanel";
import { routedOneQuery, routedStatsQuery, stale } from "../api";
import classes from "../Desk.module.css";
import { useFunctionsText } from "../strings";
import { FieldsForm, fieldsOf, sent } from "./fields";

type Known = Schema<"NexoFunctionWithCode">;

export function Detail() {
  const t = useFunctionsText();
  const account = useAccount();
  const navigate = useNavigate();
  const confirm = useConfirm();
  const { id = "" } = useParams({ strict: false });
  const about = useQuery(routedOneQuery(account, id));
  const [tab, setTab] = useTab(["code", "stats", "settings"]);

  async function remove(name: string) {
    const yes = await confirm({ title: t("delete.title", { name }), lost: t("delete.lost"), action: t("delete.action"), typed: name });
    if (!yes) return;
    try {
      await body(api.DELETE("/api/functions/{id}", { params: { path: { id } } }));
      done(t("deleted", { name }));
      await navigate({ to: "/a/$account/functions", params: { account } });
      await stale(account);
    } catch (error) {
      failed(error);
    }
  }

  const known = about.data;
  const url = known === undefined ? "" : `${window.location.origin}/fn${known.route}`;
  return (
    <Page
      wide
      title={known?.name ?? t("title")}
      crumbs={[{ label: t("title"), to: `/a/${account}/functions` }]}
      {...(known === undefined ? {} : { text: <code>{url}</code> })}
      actions={
        known !== undefined && (
          <Button variant="subtle" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={() => void remove(known.name)}>
            {t("delete")}
          </Button>
        )
      }
    >
      <Loaded query={about}>
        {(data) => (
          <Tabs value={tab} onChange={setTab}>
            <Tabs.List mb="md">
              <Tabs.Tab value="code">{t("tab.code")}</Tabs.Tab>
              <Tabs.Tab value="stats">{t("tab.stats")}</Tabs.Tab>
              <Tabs.Tab value="settings">{t("tab.settings")}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="code">
              <Code account={account} known={data} />
            </Tabs.Panel>
            <Tabs.Panel value="stats">
              <Stats account={account} id={id} />
            </Tabs.Panel>
            <Tabs.Panel value="settings">
              <Settings key={data.updated_at} account={account} known={data} />
            </Tabs.Panel>
          </Tabs>
        )}
      </Loaded>
      <Commands lines={[`curl ${url}`, `npx wrangler tail ${known?.name ?? ""}`]} />
    </Page>
  );
}

interface One {
  account: string;
  known: Known;
}

function useStore({ account, known }: One, said: string) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  async function store(part: { code?: string; route?: string; methods?: string[]; env?: Record<string, string> }) {
    if (busy) return;
    setBusy(true);
    setError(undefined);
    try {
      await body(api.PUT("/api/functions/{id}", { params: { path: { id: known.id } }, body: part }));
      done(said);
      await stale(account);
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  }
  return { busy, error, store };
}

function Code(props: One) {
  const t = useFunctionsText();
  const { known, account } = props;
  const [code, setCode] = useState(known.code);
  const { busy, error, store } = useStore(props, t("saved", { name: known.name }));
  const changed = code !== known.code;
  const save = () => void (changed && code.trim() !== "" && store({ code }));
  return (
    <div className={classes.desk}>
      <Stack gap="sm" className={classes.code}>
        <Editor label={t("code")} language="javascript" value={code} onChange={setCode} height="27rem" onSubmit={save} />
        {error !== undefined && <Failure error={error} />}
        <Group>
          <Button onClick={save} loading={busy} disabled={!changed || code.trim() === ""}>
            {t("save")}
          </Button>
          <Text c="dimmed" fz="sm" role="status">
            {changed ? t("unsaved") : `${t("version")} ${known.version ?? ""}`}
          </Text>
        </Group>
      </Stack>
      <TestPanel one={{ account, worker: known.id }} stale={changed} />
    </div>
  );
}

function Settings(props: One) {
  const t = useFunctionsText();
  const { known } = props;
  const [fields, setFields] = useState(fieldsOf(known));
  const { busy, error, store } = useStore(props, t("settingsSaved"));
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void store(sent(fields));
      }}
    >
      <Stack maw={640}>
        <FieldsForm name={known.name} fields={fields} onChange={setFields} />
        {error !== undefined && <Failure error={error} />}
        <div>
          <Button type="submit" loading={busy}>
            {t("save")}
          </Button>
        </div>
      </Stack>
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
