import { Badge, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { CircleStop, Pause, Play, RotateCcw, Send, type LucideIcon } from "lucide-react";
import { useState } from "react";

import { api, body } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { useConfirm } from "../ui/confirm";
import { isJson } from "../ui/content";
import { Editor } from "../ui/editor";
import { Facts } from "../ui/Facts";
import { FormModal } from "../ui/FormModal";
import { brief, duration, moment } from "../ui/format";
import { Page, Section } from "../ui/Page";
import { pretty, Shown } from "../ui/Shown";
import { Loaded } from "../ui/states";
import { done, failed } from "../ui/toast";
import { changesOf, changeStatus, COLOURS, instanceQuery, OPEN, stale, type Change } from "./api";
import { Steps, type Step } from "./Steps";
import { useWorkflowsText } from "./strings";

const ICONS: Record<Change, LucideIcon> = { pause: Pause, resume: Play, restart: RotateCcw, terminate: CircleStop };

export function Instance() {
  const t = useWorkflowsText();
  const account = useAccount();
  const confirm = useConfirm();
  const may = useMay("workers");
  const { workflow = "", instance = "" } = useParams({ strict: false });
  const about = useQuery({
    ...instanceQuery(account, workflow, instance),
    refetchInterval: ({ state }) => (state.data !== undefined && OPEN.has(state.data.status) ? 1500 : false),
  });
  const [sending, setSending] = useState(false);
  const [busy, setBusy] = useState<Change>();

  async function change(to: Change) {
    if (to === "restart" || to === "terminate") {
      const yes = await confirm({ title: t(`${to}.title`, { id: brief(instance) }), lost: t(`${to}.lost`), action: t(to) });
      if (!yes) return;
    }
    setBusy(to);
    try {
      const status = await changeStatus(account, workflow, instance, to);
      done(t("changed.done", { id: brief(instance), status: t(`status.${status}`) }));
    } catch (error) {
      failed(error);
    } finally {
      setBusy(undefined);
    }
  }

  const status = about.data?.status;
  return (
    <Page
      title={instance}
      badge={status !== undefined && <Badge color={COLOURS[status]}>{t(`status.${status}`)}</Badge>}
      crumbs={[
        { label: t("title"), to: `/a/${account}/workflows` },
        { label: workflow, to: `/a/${account}/workflows/${encodeURIComponent(workflow)}` },
      ]}
      actions={
        may &&
        status !== undefined && (
          <>
            {OPEN.has(status) && (
              <Button variant="default" leftSection={<Send size={13} />} onClick={() => setSending(true)}>
                {t("event")}
              </Button>
            )}
            {changesOf(status).map((to) => {
              const Icon = ICONS[to];
              return (
                <Button key={to} variant="default" leftSection={<Icon size={13} />} loading={busy === to} onClick={() => void change(to)}>
                  {t(to)}
                </Button>
              );
            })}
          </>
        )
      }
    >
      <Loaded query={about}>
        {(data) => {
          const begun = data.start ?? data.queued;
          const end = data.end === null ? Date.now() : Date.parse(data.end);
          return (
            <Stack gap="lg">
              <Facts
                facts={[
                  [t("started"), begun === null ? "–" : moment(begun)],
                  [t("ended"), data.end === null ? t("open") : moment(data.end)],
                  [t("took"), begun === null ? "–" : duration(end - Date.parse(begun))],
                  [t("from"), data.trigger.source],
                ]}
              />
              {data.error != null && (
                <div>
                  <Text fw={500} fz="sm" mb={4}>
                    {t("error")}
                  </Text>
                  <Shown bad label={t("error")} text={told(data.error)} />
                </div>
              )}
              <Section title={t("steps")}>
                <Steps steps={data.steps as unknown as Step[]} />
              </Section>
              <Group align="flex-start" grow preventGrowOverflow={false}>
                <Value title={t("params")} value={data.params} />
                <Value title={t("output")} value={data.output} />
              </Group>
            </Stack>
          );
        }}
      </Loaded>
      <Commands
        lines={[
          `npx wrangler workflows instances describe ${workflow} ${instance}`,
          `npx wrangler workflows instances pause ${workflow} ${instance}`,
          `npx wrangler workflows instances terminate ${workflow} ${instance}`,
        ]}
      />
      <SendEvent account={account} workflow={workflow} instance={instance} opened={sending} onClose={() => setSending(false)} />
    </Page>
  );
}

/** An error as a line; whatever else it is, as JSON. */
function told(error: unknown): string {
  if (typeof error === "object" && error !== null && "message" in error) {
    return `${"name" in error ? String(error.name) : "Error"}: ${String(error.message)}`;
  }
  return pretty(error);
}

function Value(props: { title: string; value: unknown }) {
  if (props.value === undefined || props.value === null) return null;
  return (
    <div style={{ minWidth: 260 }}>
      <Text fw={500} fz="sm" mb={4}>
        {props.title}
      </Text>
      <Shown label={props.title} text={pretty(props.value)} />
    </div>
  );
}

function SendEvent(props: { account: string; workflow: string; instance: string; opened: boolean; onClose: () => void }) {
  const t = useWorkflowsText();
  const { account, workflow, instance } = props;
  const [type, setType] = useState("");
  const [payload, setPayload] = useState("{}");
  const bad = payload.trim() !== "" && !isJson(payload);
  return (
    <FormModal
      title={t("event")}
      opened={props.opened}
      onClose={props.onClose}
      action={t("event")}
      ready={type.trim() !== "" && !bad}
      submit={async () => {
        const path = "/client/v4/accounts/{account}/workflows/{workflow}/instances/{instance}/events/{event}";
        const params = { path: { account, workflow, instance, event: type.trim() } };
        await body(api.POST(path, { params, body: (payload.trim() === "" ? null : JSON.parse(payload)) as never }));
        done(t("event.done"));
        await stale(account);
      }}
    >
      <TextInput
        label={t("event.type")}
        value={type}
        onChange={(event) => setType(event.currentTarget.value)}
        data-autofocus
        required
        spellCheck={false}
        autoComplete="off"
      />
      <Text fz="sm" fw={500}>
        {t("event.payload")}
      </Text>
      <Editor label={t("event.payload")} language="json" value={payload} onChange={setPayload} height="8rem" />
      {bad && (
        <Text fz="sm" c="var(--bad)">
          {t("trigger.bad")}
        </Text>
      )}
    </FormModal>
  );
}
