import { Alert, Badge, Button, Drawer, Group, NumberInput, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Mailbox, RefreshCw, Send, Trash2, Undo2 } from "lucide-react";
import { useMemo, useState } from "react";

import { api, body } from "../api/client";
import { useMay } from "../app/rights";
import { useChosen } from "../ui/chosen";
import { useConfirm } from "../ui/confirm";
import { isJson } from "../ui/content";
import { DataTable, type Column } from "../ui/DataTable";
import { Editor } from "../ui/editor";
import { Facts } from "../ui/Facts";
import { FormModal } from "../ui/FormModal";
import { ago, moment } from "../ui/format";
import { Shown } from "../ui/Shown";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { To } from "../ui/To";
import { peekQuery, queuesQuery, removeMessages, send, sendBack, stale, type Message, type Queue } from "./api";
import { useQueuesText } from "./strings";

export function Messages(props: { account: string; queue: Queue; waiting: number }) {
  const t = useQueuesText();
  const w = useWords();
  const confirm = useConfirm();
  const { account, queue, waiting } = props;
  const id = queue.queue_id;
  const peeked = useQuery(peekQuery(account, id));
  const all = useQuery(queuesQuery(account));
  // Those whose dead letters come here.
  const sources = useMemo(
    () => (all.data ?? []).filter(({ consumers }) => consumers.some(({ dead_letter_queue: to }) => to === queue.queue_name)),
    [all.data, queue.queue_name],
  );
  const may = useMay("queues");
  const { chosen, clear, column: pick } = useChosen<Message>(({ id: own }) => ({ id: own, label: t("select", { id: own }) }));
  const [open, setOpen] = useState<Message>();
  const [sending, setSending] = useState(false);

  const columns = useMemo<Column<Message>[]>(
    () => [
      { id: "body", header: t("body"), width: "minmax(0, 3fr)", cell: ({ text }) => <span className="mono">{text.slice(0, 300)}</span> },
      { id: "type", header: t("type"), wide: true, width: "5rem", cell: ({ type }) => <Badge>{type}</Badge> },
      { id: "attempts", header: t("attempts"), width: "5.5rem", align: "end", value: ({ attempts }) => attempts, cell: ({ attempts }) => attempts },
      { id: "sent", header: t("sent"), wide: true, width: "9rem", align: "end", value: ({ sent }) => sent, cell: ({ sent }) => <Text c="dimmed">{ago(sent)}</Text> },
    ],
    [t],
  );

  async function attempt(act: () => Promise<void>) {
    try {
      await act();
      clear();
    } catch (error) {
      failed(error);
    }
    await stale(account);
  }

  async function purge() {
    const yes = await confirm({
      title: t("purge.title", { name: queue.queue_name }),
      lost: t("purge.lost", { count: waiting }),
      action: t("purge.action"),
    });
    if (!yes) return;
    await attempt(async () => {
      await body(
        api.POST("/client/v4/accounts/{account}/queues/{queue}/purge", {
          params: { path: { account, queue: id } },
          body: { delete_messages_permanently: true },
        }),
      );
      done(t("purge.done"));
    });
  }

  async function removeChosen(messages: Message[]) {
    const title = t("some", { count: messages.length });
    if (!(await confirm({ title: `${title}?`, lost: t("some.lost"), action: title }))) return;
    await attempt(async () => {
      await removeMessages(account, id, messages.map(({ ref }) => ref));
      done(t("some.done", { count: messages.length }));
    });
  }

  const picked = (peeked.data ?? []).filter((message) => chosen.has(message.id));
  const able = picked.filter(({ type }) => type !== "v8");
  return (
    <Stack gap="sm">
      {sources.length > 0 && (
        <Alert color="gray" variant="light" title={t("dead")}>
          {t("dead.of")}{" "}
          {sources.map(({ queue_id: source, queue_name: name }) => (
            <To key={source} to="/a/$account/queues/$queue" params={{ account, queue: source }} mr="xs" fw={500}>
              {name}
            </To>
          ))}
        </Alert>
      )}
      <Group gap="xs">
        {may && (
          <Button leftSection={<Send size={13} />} onClick={() => setSending(true)}>
            {t("send")}
          </Button>
        )}
        <Button variant="default" leftSection={<RefreshCw size={13} />} loading={peeked.isFetching} onClick={() => void stale(account)}>
          {t("peek")}
        </Button>
        {may && waiting > 0 && (
          <Button variant="subtle" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={() => void purge()}>
            {t("purge")}
          </Button>
        )}
        {picked.length > 0 && (
          <Button variant="light" color="var(--bad)" leftSection={<Trash2 size={13} />} onClick={() => void removeChosen(picked)}>
            {t("some", { count: picked.length })}
          </Button>
        )}
        {able.length > 0 &&
          sources.map(({ queue_id: source, queue_name: name }) => (
            <Button
              key={source}
              variant="default"
              leftSection={<Undo2 size={13} />}
              onClick={() =>
                void attempt(async () => {
                  await sendBack(account, id, source, able);
                  done(t("back.done", { count: able.length }));
                })
              }
            >
              {t("back", { count: able.length, queue: name })}
            </Button>
          ))}
      </Group>
      {picked.length > able.length && sources.length > 0 && (
        <Text c="dimmed" fz="sm">
          {t("back.v8")}
        </Text>
      )}
      <Text c="dimmed" fz="sm">
        {t("peek.text")}
      </Text>
      <Loaded query={peeked}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Mailbox} title={t("messages.empty.title")} text={t("messages.empty.text")} />
          ) : (
            <DataTable label={t("tab.messages")} columns={may ? [pick, ...columns] : columns} rows={rows} rowKey={(row) => row.id} onOpen={setOpen} />
          )
        }
      </Loaded>
      <SendForm account={account} queue={id} opened={sending} onClose={() => setSending(false)} />
      <Drawer
        opened={open !== undefined}
        onClose={() => setOpen(undefined)}
        position="right"
        size="lg"
        title={
          <Text fw={600} component="span">
            {t("message")}
          </Text>
        }
        closeButtonProps={{ "aria-label": w("close") }}
      >
        {open !== undefined && (
          <Stack>
            <Facts
              facts={[
                [t("type"), open.type],
                [t("attempts"), open.attempts],
                [t("sent"), moment(open.sent)],
                [t("id"), <code key="id">{open.id}</code>],
              ]}
            />
            <Shown label={t("body")} text={isJson(open.text) ? JSON.stringify(JSON.parse(open.text), null, 2) : open.text} tall={520} />
          </Stack>
        )}
      </Drawer>
    </Stack>
  );
}

function SendForm(props: { account: string; queue: string; opened: boolean; onClose: () => void }) {
  const t = useQueuesText();
  const [type, setType] = useState<"json" | "text">("json");
  const [text, setText] = useState('{\n  "hello": "queue"\n}');
  const [delay, setDelay] = useState<number | string>(0);
  const bad = type === "json" && !isJson(text);
  return (
    <FormModal
      title={t("send")}
      opened={props.opened}
      onClose={props.onClose}
      action={t("send.action")}
      ready={!bad}
      size="lg"
      submit={async () => {
        const content = type === "json" ? (JSON.parse(text) as unknown) : text;
        await send(props.account, props.queue, { type, body: content, ...(Number(delay) > 0 ? { delay: Number(delay) } : {}) });
        done(t("send.done"));
        await stale(props.account);
      }}
    >
      <SegmentedControl
        size="xs"
        aria-label={t("send.type")}
        value={type}
        onChange={(to) => setType(to as "json" | "text")}
        data={[
          { value: "json", label: t("send.json") },
          { value: "text", label: t("send.textType") },
        ]}
        style={{ alignSelf: "flex-start" }}
      />
      <Editor label={t("body")} language={type} value={text} onChange={setText} height="10rem" />
      {bad && (
        <Text fz="sm" c="var(--bad)">
          {t("send.bad")}
        </Text>
      )}
      <NumberInput label={t("send.delay")} value={delay} onChange={setDelay} min={0} max={43200} allowDecimal={false} />
    </FormModal>
  );
}
