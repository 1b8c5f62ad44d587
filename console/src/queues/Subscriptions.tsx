import { Alert, Button, Group, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Info, Plus, Rss, Trash2 } from "lucide-react";
import { useState } from "react";

import { api, body } from "../api/client";
import { useMay } from "../app/rights";
import { useAsked } from "../ui/confirm";
import { DataTable, type Column } from "../ui/DataTable";
import { FormModal } from "../ui/FormModal";
import { ago } from "../ui/format";
import { RowAction } from "../ui/RowAction";
import { Empty, Loaded } from "../ui/states";
import { useWords } from "../ui/strings";
import { done, failed } from "../ui/toast";
import { stale, subscriptionsQuery, type Queue, type Subscription } from "./api";
import { useQueuesText } from "./strings";

/** Whose events, of what this installation has, with what Cloudflare calls them; `of` names the one where it is one. */
const SOURCES = {
  kv: { events: ["namespace.created", "namespace.deleted"] },
  r2: { events: ["bucket.created", "bucket.deleted"] },
  "workflows.workflow": {
    of: "workflow_name",
    events: ["instance.queued", "instance.started", "instance.paused", "instance.errored", "instance.terminated", "instance.completed"],
  },
  "workersBuilds.worker": { of: "worker_name", events: ["build.started", "build.failed", "build.canceled", "build.succeeded"] },
} as const satisfies Record<string, { of?: string; events: readonly string[] }>;

type Kind = keyof typeof SOURCES;

const KINDS = Object.keys(SOURCES) as Kind[];
const ALL = "/client/v4/accounts/{account}/event_subscriptions/subscriptions";
const ONE = "/client/v4/accounts/{account}/event_subscriptions/subscriptions/{subscription}";

export function Subscriptions(props: { account: string; queue: Queue }) {
  const t = useQueuesText();
  const words = useWords();
  const asked = useAsked();
  const may = useMay("queues");
  const { account, queue } = props;
  const subscriptions = useQuery(subscriptionsQuery(account, queue.queue_id));
  const [adding, setAdding] = useState(false);

  async function turn({ id: subscription }: Subscription, enabled: boolean) {
    try {
      await body(api.PATCH(ONE, { params: { path: { account, subscription } }, body: { enabled } }));
      await stale(account);
    } catch (error) {
      failed(error);
    }
  }

  const remove = ({ id: subscription, name }: Subscription) =>
    asked({ title: t("sub.remove", { name }), lost: t("sub.lost"), action: t("sub.action") }, async () => {
      await body(api.DELETE(ONE, { params: { path: { account, subscription } } }));
      await stale(account);
    });

  /** What it is called here, and of which one: by what it has beside its type. */
  const source = ({ source: { type, ...rest } }: Subscription) => {
    const known = KINDS.find((kind) => kind === type);
    const which = Object.values(rest).filter((value) => typeof value === "string");
    return [known === undefined ? type : t(`sub.source.${known}`), ...which].join(" · ");
  };

  const columns: Column<Subscription>[] = [
    { id: "name", header: t("name"), cell: ({ name }) => <span className="cut">{name}</span>, value: ({ name }) => name },
    { id: "source", header: t("sub.source"), cell: (row) => <span className="cut">{source(row)}</span> },
    { id: "events", header: t("sub.events"), wide: true, width: "minmax(0, 1.6fr)", cell: ({ events }) => <span className="mono cut">{events.join(", ")}</span> },
    { id: "created", header: t("created"), wide: true, width: "8rem", align: "end", cell: ({ created_at: when }) => <Text c="dimmed">{ago(when)}</Text> },
    {
      id: "on",
      header: "",
      width: "2.6rem",
      cell: (row) => (
        <Switch
          size="xs"
          checked={row.enabled}
          disabled={!may}
          aria-label={t("sub.on", { name: row.name })}
          onChange={(event) => void turn(row, event.currentTarget.checked)}
        />
      ),
    },
    {
      id: "do",
      header: "",
      width: "2rem",
      align: "end",
      cell: (row) => may && <RowAction icon={Trash2} label={`${words("delete")} ${row.name}`} onClick={() => void remove(row)} />,
    },
  ];
  const add = may && (
    <Button variant="default" leftSection={<Plus size={13} />} onClick={() => setAdding(true)}>
      {t("sub.add")}
    </Button>
  );
  return (
    <Stack>
      <Alert color="gray" icon={<Info size={16} />}>
        {t("sub.idle")}
      </Alert>
      <Loaded query={subscriptions} rows={2}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty icon={Rss} title={t("sub.none")} text={t("sub.none.text")}>
              {add}
            </Empty>
          ) : (
            <>
              <Group>{add}</Group>
              <DataTable label={t("tab.subscriptions")} columns={columns} rows={rows} rowKey={({ id }) => id} />
            </>
          )
        }
      </Loaded>
      {adding && <Add account={account} queue={queue} onClose={() => setAdding(false)} />}
    </Stack>
  );
}

function Add(props: { account: string; queue: Queue; onClose: () => void }) {
  const t = useQueuesText();
  const words = useWords();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<Kind>("kv");
  const [which, setWhich] = useState("");
  const [events, setEvents] = useState<string[]>([...SOURCES.kv.events]);
  const source = SOURCES[kind];
  const of = "of" in source ? source.of : undefined;

  async function store() {
    const sent = {
      name: name.trim(),
      source: { type: kind, ...(of === undefined ? {} : { [of]: which.trim() }) },
      destination: { type: "queues.queue", queue_id: props.queue.queue_id },
      events,
      enabled: true,
    };
    await body(api.POST(ALL, { params: { path: { account: props.account } }, body: sent }));
    await stale(props.account);
    done(words("saved"));
  }

  return (
    <FormModal
      title={t("sub.add")}
      opened
      onClose={props.onClose}
      action={t("sub.add")}
      ready={name.trim() !== "" && events.length > 0 && (of === undefined || which.trim() !== "")}
      submit={store}
    >
      <TextInput
        label={t("name")}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
        autoComplete="off"
        spellCheck={false}
      />
      <Select
        label={t("sub.source")}
        data={KINDS.map((value) => ({ value, label: t(`sub.source.${value}`) }))}
        value={kind}
        onChange={(to) => {
          const next = (to ?? "kv") as Kind;
          setKind(next);
          setEvents([...SOURCES[next].events]);
        }}
        allowDeselect={false}
      />
      {of !== undefined && (
        <TextInput
          label={t(`sub.${of}`)}
          value={which}
          onChange={(event) => setWhich(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
      )}
      <TagsInput
        label={t("sub.events")}
        description={t("sub.events.text")}
        data={[...SOURCES[kind].events]}
        value={events}
        onChange={setEvents}
        clearable
        clearButtonProps={{ "aria-label": words("clear") }}
      />
    </FormModal>
  );
}
