import { Button, Group, NumberInput, Paper, SegmentedControl, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Pencil, Plus, Trash2, Users } from "lucide-react";
import { useState } from "react";

import { api, body } from "../api/client";
import { useMay } from "../app/rights";
import { useAsked } from "../ui/confirm";
import { Facts, type Fact } from "../ui/Facts";
import { FormModal } from "../ui/FormModal";
import { RowAction } from "../ui/RowAction";
import { Empty } from "../ui/states";
import { done } from "../ui/toast";
import { queuesQuery, stale, type Consumer, type Queue } from "./api";
import { useQueuesText } from "./strings";

const scriptOf = ({ script, script_name: other }: Consumer) => script ?? other ?? "";

export function Consumers(props: { account: string; queue: Queue }) {
  const t = useQueuesText();
  const asked = useAsked();
  const may = useMay("queues");
  const { account, queue } = props;
  const [editing, setEditing] = useState<Consumer | "new">();

  async function remove(consumer: Consumer) {
    const name = scriptOf(consumer) || t("kind.http_pull");
    const question = {
      title: t("consumer.delete.title", { name }),
      lost: t("consumer.delete.lost"),
      action: t("consumer.delete.action"),
    };
    await asked(question, async () => {
      const path = "/client/v4/accounts/{account}/queues/{queue}/consumers/{consumer}";
      await body(api.DELETE(path, { params: { path: { account, queue: queue.queue_id, consumer: consumer.consumer_id } } }));
      done(t("consumer.deleted"));
      await stale(account);
    });
  }

  const add = may && (
    <Button variant="default" leftSection={<Plus size={13} />} onClick={() => setEditing("new")}>
      {t("add")}
    </Button>
  );
  return (
    <Stack>
      {queue.consumers.length === 0 ? (
        <Empty icon={Users} title={t("consumers.empty.title")} text={t("consumers.empty.text")}>
          {add}
        </Empty>
      ) : (
        queue.consumers.map((consumer) => {
          const { settings } = consumer;
          const facts: Fact[] = [
            [t("batch"), settings.batch_size],
            [t("retries"), settings.max_retries],
            [t("retryDelay"), settings.retry_delay],
            ...(consumer.type === "worker"
              ? ([
                  [t("wait"), settings.max_wait_time_ms ?? "–"],
                  [t("concurrency"), settings.max_concurrency ?? t("concurrency.auto")],
                ] as Fact[])
              : ([[t("visibility"), settings.visibility_timeout_ms ?? "–"]] as Fact[])),
            [t("dead.to"), consumer.dead_letter_queue ?? t("dead.none")],
          ];
          return (
            <Paper key={consumer.consumer_id} p="md">
              <Group justify="space-between" mb="sm">
                <div>
                  <Title order={3}>{scriptOf(consumer) || t("kind.http_pull")}</Title>
                  <Text c="dimmed" fz="sm">
                    {t(`kind.${consumer.type}`)}
                  </Text>
                </div>
                {may && (
                  <Group gap={4}>
                    <Button variant="default" leftSection={<Pencil size={13} />} onClick={() => setEditing(consumer)}>
                      {t("edit")}
                    </Button>
                    <RowAction icon={Trash2} label={t("consumer.delete.action")} onClick={() => void remove(consumer)} />
                  </Group>
                )}
              </Group>
              <Facts facts={facts} />
            </Paper>
          );
        })
      )}
      {queue.consumers.length > 0 && queue.consumers.every(({ type }) => type !== "worker") && add !== false && <div>{add}</div>}
      {editing !== undefined && (
        <Edit account={account} queue={queue} {...(editing === "new" ? {} : { consumer: editing })} onClose={() => setEditing(undefined)} />
      )}
    </Stack>
  );
}

function Edit(props: { account: string; queue: Queue; consumer?: Consumer; onClose: () => void }) {
  const t = useQueuesText();
  const { account, queue, consumer } = props;
  const others = useQuery(queuesQuery(account));
  const [kind, setKind] = useState<"worker" | "http_pull">(consumer?.type ?? "worker");
  const [script, setScript] = useState(consumer === undefined ? "" : scriptOf(consumer));
  const [dead, setDead] = useState<string | null>(consumer?.dead_letter_queue ?? null);
  const before = consumer?.settings;
  const [batch, setBatch] = useState<number | string>(before?.batch_size ?? 10);
  const [wait, setWait] = useState<number | string>(before?.max_wait_time_ms ?? 5000);
  const [retries, setRetries] = useState<number | string>(before?.max_retries ?? 3);
  const [delay, setDelay] = useState<number | string>(before?.retry_delay ?? 0);
  const [concurrency, setConcurrency] = useState<number | string>(before?.max_concurrency ?? "");
  const [visibility, setVisibility] = useState<number | string>(before?.visibility_timeout_ms ?? 30_000);

  async function store() {
    const settings = {
      batch_size: Number(batch),
      max_retries: Number(retries),
      retry_delay: Number(delay),
      ...(kind === "worker"
        ? { max_wait_time_ms: Number(wait), max_concurrency: concurrency === "" ? null : Number(concurrency) }
        : { visibility_timeout_ms: Number(visibility) }),
    };
    const sent = {
      type: kind,
      settings,
      ...(dead === null ? {} : { dead_letter_queue: dead }),
      ...(kind === "worker" ? { script_name: script.trim() } : {}),
    };
    const path = { account, queue: queue.queue_id };
    await body(
      consumer === undefined
        ? api.POST("/client/v4/accounts/{account}/queues/{queue}/consumers", { params: { path }, body: sent })
        : api.PUT("/client/v4/accounts/{account}/queues/{queue}/consumers/{consumer}", {
            params: { path: { ...path, consumer: consumer.consumer_id } },
            body: sent,
          }),
    );
    done(t("consumer.saved"));
    await stale(account);
  }

  const figure = (label: string, value: number | string, set: (value: number | string) => void, max: number, text?: string) => (
    <NumberInput label={label} value={value} onChange={set} min={0} max={max} allowDecimal={false} {...(text === undefined ? {} : { description: text })} />
  );
  return (
    <FormModal
      title={consumer === undefined ? t("add") : t("edit")}
      opened
      onClose={props.onClose}
      action={t("save")}
      ready={kind === "http_pull" || script.trim() !== ""}
      submit={store}
    >
      {consumer === undefined && (
        <SegmentedControl
          size="xs"
          aria-label={t("kind")}
          value={kind}
          onChange={(to) => setKind(to as "worker" | "http_pull")}
          data={[
            { value: "worker", label: t("kind.worker") },
            { value: "http_pull", label: t("kind.http_pull") },
          ]}
        />
      )}
      {kind === "worker" && (
        <TextInput label={t("script")} description={t("script.text")} value={script} onChange={(event) => setScript(event.currentTarget.value)} disabled={consumer !== undefined} spellCheck={false} autoComplete="off" />
      )}
      {figure(t("batch"), batch, setBatch, 100)}
      {kind === "worker" && figure(t("wait"), wait, setWait, 60_000)}
      {figure(t("retries"), retries, setRetries, 100)}
      {figure(t("retryDelay"), delay, setDelay, 43_200)}
      {kind === "worker" ? figure(t("concurrency"), concurrency, setConcurrency, 250, t("concurrency.text")) : figure(t("visibility"), visibility, setVisibility, 43_200_000)}
      <Select
        label={t("dlq")}
        data={(others.data ?? []).map(({ queue_name: name }) => name).filter((name) => name !== queue.queue_name)}
        value={dead}
        onChange={setDead}
        clearable
        searchable
      />
    </FormModal>
  );
}
