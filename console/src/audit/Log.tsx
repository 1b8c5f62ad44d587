import { Badge, Checkbox, Group, Select, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { ScrollText } from "lucide-react";
import { useMemo, useState } from "react";

import { useAccount } from "../app/account";
import { useLanguage } from "../i18n";
import { Commands } from "../ui/Commands";
import { DataTable, type Column } from "../ui/DataTable";
import { ago } from "../ui/format";
import { Page } from "../ui/Page";
import { Empty, Loaded } from "../ui/states";
import { Details } from "./Details";
import { useLog, type Entry, type Filter } from "./log";
import { useAuditText } from "./strings";
import { zh } from "./titles";

const VERBS = ["create", "update", "delete"] as const;
const COLORS = { success: "teal", failure: "red", refused: "yellow" } as const;
const NONE: Filter = { since: "", before: "", email: "", verb: null };

/** Who did it: a person, a token, or nobody in particular. */
export function useActor(): (entry: Entry) => string {
  const t = useAuditText();
  return ({ actor, metadata }) =>
    actor.email ?? (metadata.token_name === null ? (actor.type === "unknown" ? t("nobody") : t("dev")) : t("token", { name: metadata.token_name }));
}

/** What was done, in the language of the page where it has a name in that. */
export function useTitle(): (entry: Entry) => string {
  const chinese = useLanguage() === "zh";
  return ({ action, metadata }) => (chinese ? zh[action.type] : undefined) ?? metadata.description;
}

function Log(props: { account?: string }) {
  const t = useAuditText();
  const title = useTitle();
  const actor = useActor();
  const [filter, setFilter] = useState(NONE);
  const [wanted] = useDebouncedValue(filter, 300);
  const [open, setOpen] = useState<Entry>();
  const log = useLog(props.account, wanted);
  const rows = useMemo(() => log.data?.pages.flatMap((page) => page.result), [log.data]);

  const columns: Column<Entry>[] = [
    { id: "when", header: t("when"), width: "minmax(5.5rem, 0.6fr)", cell: ({ when }) => <Text c="dimmed">{ago(when)}</Text> },
    {
      id: "what",
      header: t("what"),
      width: "minmax(0, 1.4fr)",
      cell: (entry) => (
        <Text fw={500} className="cut">
          {title(entry)}
        </Text>
      ),
    },
    { id: "thing", header: t("thing"), wide: true, cell: ({ resource }) => <span className="mono">{resource.id ?? ""}</span> },
    { id: "who", header: t("who"), cell: (entry) => <Text className="cut">{actor(entry)}</Text> },
    { id: "from", header: t("from"), wide: true, width: "8rem", cell: ({ actor: { ip } }) => ip ?? "" },
    {
      id: "outcome",
      header: t("outcome"),
      wide: true,
      width: "6rem",
      cell: ({ metadata: { outcome } }) => (
        <Badge color={COLORS[outcome]} c="var(--mantine-color-text)">
          {t(`outcome.${outcome}`)}
        </Badge>
      ),
    },
  ];
  const set = (part: Partial<Filter>) => setFilter({ ...filter, ...part });
  return (
    <>
      <Group gap="xs" align="flex-end">
        <TextInput label={t("since")} type="date" value={filter.since} onChange={(event) => set({ since: event.currentTarget.value })} />
        <TextInput label={t("before")} type="date" value={filter.before} onChange={(event) => set({ before: event.currentTarget.value })} />
        <TextInput
          label={t("email")}
          placeholder={t("email.hint")}
          value={filter.email}
          onChange={(event) => set({ email: event.currentTarget.value.trim() })}
        />
        <Select
          label={t("verb")}
          placeholder={t("verb.any")}
          data={VERBS.map((value) => ({ value, label: t(`verb.${value}`) }))}
          value={filter.verb}
          onChange={(verb) => set({ verb })}
          clearable
        />
        {props.account === undefined && (
          <Checkbox
            mb={8}
            label={t("all")}
            checked={filter.all === true}
            onChange={(event) => set({ all: event.currentTarget.checked })}
          />
        )}
      </Group>
      <Loaded query={{ ...log, data: rows }}>
        {(entries) =>
          entries.length === 0 ? (
            <Empty icon={ScrollText} title={t("empty.title")} text={t("empty.text")} />
          ) : (
            <DataTable
              label={t("title")}
              columns={columns}
              rows={entries}
              rowKey={({ id }) => id}
              onOpen={setOpen}
              onEnd={() => {
                if (log.hasNextPage && !log.isFetchingNextPage) void log.fetchNextPage();
              }}
            />
          )
        }
      </Loaded>
      <Details entry={open} onClose={() => setOpen(undefined)} />
    </>
  );
}

export function AccountLog() {
  const t = useAuditText();
  const account = useAccount();
  return (
    <Page title={t("title")} text={t("text")} wide>
      <Log key={account} account={account} />
      <Commands lines={[`hearth audit --account ${account}`, `hearth audit --account ${account} --json`]} />
    </Page>
  );
}

export function InstallationLog() {
  const t = useAuditText();
  return (
    <Page title={t("title")} text={t("installation.text")} wide>
      <Log />
      <Commands lines={["hearth audit --installation", "hearth audit --installation --json"]} />
    </Page>
  );
}
