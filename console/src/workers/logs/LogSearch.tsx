import { Anchor, Button, Group, Paper, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { ScrollText, Search } from "lucide-react";
import { useMemo, useState } from "react";

import { api, result } from "../../api/client";
import { useMay } from "../../app/rights";
import { Snippet } from "../../ui/Commands";
import { Empty, Failure, Loading } from "../../ui/states";
import { useWords } from "../../ui/strings";
import { done, failed } from "../../ui/toast";
import { changed, oneKey, settingsQuery, useOne } from "../one";
import { useWorkersText } from "../strings";
import { Lines } from "./Lines";
import type { Line } from "./lines";

interface Event {
  timestamp: number;
  source: unknown;
  $workers: Record<string, unknown>;
  $metadata: { id: string; level: string; message: string; requestId: string; trigger: string };
}

const SPANS = { hour: 3600, day: 86_400, week: 7 * 86_400 } as const;
type Span = keyof typeof SPANS;
const PAGE = 200;

const known = ["debug", "info", "log", "warn", "error"] as const;

function lineOf(event: Event, id: number): Line {
  const level = known.find((level) => level === event.$metadata.level) ?? "log";
  return { id, at: event.timestamp, level, text: event.$metadata.message, cause: event.$metadata.trigger };
}

/** What a worker logged and the server has kept. */
export function LogSearch() {
  const t = useWorkersText();
  const words = useWords();
  const one = useOne();
  const may = useMay("workers");
  const settings = useQuery(settingsQuery(one));
  const [text, setText] = useState("");
  const [asked, setAsked] = useState({ text: "", span: "day" as Span, errors: false, to: Date.now() });
  const [open, setOpen] = useState<number>();

  const found = useInfiniteQuery({
    queryKey: oneKey(one, "logs", asked),
    initialPageParam: "",
    queryFn: async ({ pageParam }) => {
      const leaf = (name: string, value: string) => ({ key: name, operation: "eq", type: "string", value });
      const answer = await result(
        api.POST("/client/v4/accounts/{account}/workers/observability/telemetry/query", {
          params: { path: { account: one.account } },
          body: {
            queryId: "console",
            view: "events",
            timeframe: { from: asked.to - SPANS[asked.span] * 1000, to: asked.to },
            limit: PAGE,
            ...(pageParam === "" ? {} : { offset: pageParam }),
            parameters: {
              filters: [
                leaf("$metadata.service", one.worker),
                ...(asked.errors ? [leaf("$metadata.level", "error")] : []),
              ],
              ...(asked.text === "" ? {} : { needle: { value: asked.text } }),
            },
          },
        }),
      );
      return ((answer.events as { events?: Event[] } | undefined)?.events ?? []);
    },
    getNextPageParam: (page) => (page.length < PAGE ? undefined : page.at(-1)?.$metadata.id),
  });
  const events = useMemo(() => found.data?.pages.flat() ?? [], [found.data]);
  const lines = useMemo(() => events.map(lineOf), [events]);
  const kept = (settings.data?.observability as { enabled?: boolean } | null | undefined)?.enabled === true;

  async function keep() {
    try {
      await result(
        api.PATCH("/client/v4/accounts/{account}/workers/scripts/{worker}/script-settings", {
          params: { path: one },
          body: { observability: { enabled: true } } as never,
        }),
      );
      await changed(one);
      done(t("logs.keptNow"));
    } catch (error) {
      failed(error);
    }
  }

  const ask = (change: Partial<typeof asked>) => setAsked({ ...asked, text, ...change, to: Date.now() });
  return (
    <Stack gap="sm">
      {settings.data !== undefined && !kept && (
        <Paper p="sm">
          <Group justify="space-between">
            <Text>{t("logs.notKept")}</Text>
            {may && <Button onClick={() => void keep()}>{t("logs.keep")}</Button>}
          </Group>
        </Paper>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask({});
        }}
      >
        <Group gap="xs">
          <TextInput
            leftSection={<Search size={14} />}
            placeholder={t("logs.needle")}
            aria-label={t("logs.needle")}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            w={280}
          />
          <Select
            aria-label={t("logs.span")}
            data={(Object.keys(SPANS) as Span[]).map((value) => ({ value, label: t(`span.${value}`) }))}
            value={asked.span}
            onChange={(value) => ask({ span: (value ?? "day") as Span })}
            allowDeselect={false}
            w={150}
          />
          <Switch
            label={t("logs.errorsOnly")}
            checked={asked.errors}
            onChange={(event) => ask({ errors: event.currentTarget.checked })}
          />
          <Button type="submit" size="sm" ml="auto" loading={found.isFetching && !found.isFetchingNextPage}>
            {words("search")}
          </Button>
        </Group>
      </form>
      {found.error !== null && <Failure error={found.error} retry={() => void found.refetch()} />}
      {found.isPending && <Loading rows={6} />}
      {found.data !== undefined &&
        (events.length === 0 ? (
          <Empty icon={ScrollText} title={t("logs.none")} text={t("logs.none.text")} />
        ) : (
          <>
            <Lines label={t("logs.search")} lines={lines} open={open} onOpen={({ id }) => setOpen(id === open ? undefined : id)} />
            {found.hasNextPage && (
              <Button variant="default" onClick={() => void found.fetchNextPage()} loading={found.isFetchingNextPage}>
                {words("more")}
              </Button>
            )}
            {open !== undefined && events[open] !== undefined && (
              <div>
                <Anchor component="button" type="button" fz="sm" onClick={() => setOpen(undefined)}>
                  {words("close")}
                </Anchor>
                <Snippet label={t("logs.event")} text={JSON.stringify(events[open], null, 2)} />
              </div>
            )}
          </>
        ))}
    </Stack>
  );
}
