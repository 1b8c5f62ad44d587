import { Anchor, Button, Grid, Paper, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, TriangleAlert, Zap } from "lucide-react";
import { useState } from "react";

import type { Schema } from "../api/client";
import { useAccount } from "../app/account";
import { useMay } from "../app/rights";
import { Charts, Figure, FigureRow, Totals } from "../metrics/Figures";
import { Now } from "../metrics/Now";
import { RangePicker } from "../metrics/RangePicker";
import { seriesQuery, type Group, type Range } from "../metrics/query";
import { statusQuery } from "../metrics/status";
import { Snippet } from "../ui/Commands";
import { bytes, count, percent, short } from "../ui/format";
import { Page, Section } from "../ui/Page";
import { Empty, Failure, Loaded } from "../ui/states";
import { workersQuery } from "../workers/list";
import { troubles, type Trouble } from "./health";
import classes from "./Overview.module.css";
import { useOverviewText } from "./strings";

const BUSIEST = 6;

const KINDS = ["kv", "r2", "d1", "queues", "durable_objects", "assets", "analytics", "logs", "code"] as const;

const stored = (kinds: Record<string, number>) => Object.values(kinds).reduce((sum, each) => sum + each, 0);

export function Overview() {
  const t = useOverviewText();
  const account = useAccount();
  const [range, setRange] = useState<Range>("day");
  const series = useQuery(seriesQuery(account, range));
  const workers = useQuery(workersQuery(account));
  const status = useQuery(statusQuery(account));
  const first = workers.data?.length === 0 && (series.data?.whole?.sum.requests ?? 0) === 0;

  return (
    <Page title={t("title")} actions={<RangePicker value={range} onChange={setRange} />}>
      {first && <First account={account} />}
      <Loaded query={series} rows={8}>
        {(found) => (
          <Stack gap="md">
            <Totals whole={found.whole} />
            <Charts series={found} name="overview" />
          </Stack>
        )}
      </Loaded>
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 7 }}>
          <Health account={account} live={status.data?.workers} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Section title={t("busy.title")}>
            <Busiest account={account} groups={series.data?.workers ?? []} />
          </Section>
        </Grid.Col>
      </Grid>
      {status.error !== null && <Failure error={status.error} retry={() => void status.refetch()} />}
      {status.data !== undefined && (
        <>
          <Now workers={status.data.workers} />
          <Section title={t("storage.title")} text={t("storage.text", { all: bytes(stored(status.data.storage_bytes)) })}>
            <FigureRow>
              {KINDS.map((kind) => (
                <Figure key={kind} label={t(`storage.${kind}`)} value={bytes(status.data.storage_bytes[kind])} />
              ))}
            </FigureRow>
          </Section>
        </>
      )}
    </Page>
  );
}

function First(props: { account: string }) {
  const t = useOverviewText();
  const may = useMay("workers");
  const where = `CLOUDFLARE_API_BASE_URL=${window.location.origin}/client/v4`;
  return (
    <Empty icon={Zap} title={t("start.title")} text={t("start.text")}>
      <Stack gap="sm" w="100%" maw={560}>
        <Snippet text={`export ${where}\nnpx wrangler deploy`} />
        {may && (
          <Button component={Link} to="/a/$account/new-worker" params={{ account: props.account } as never} mx="auto">
            {t("start.template")}
          </Button>
        )}
      </Stack>
    </Empty>
  );
}

function Health(props: { account: string; live: Schema<"LiveWorker">[] | undefined }) {
  const t = useOverviewText();
  const hour = useQuery(seriesQuery(props.account, "hour"));
  if (hour.data === undefined || props.live === undefined) return null;
  const found = troubles(hour.data.workers, props.live);
  return (
    <Section title={t("health.title")}>
      {found.length === 0 ? (
        <Paper className={classes.trouble}>
          <CircleCheck size={16} aria-hidden className={classes.good} />
          <Text>{t("health.none")}</Text>
        </Paper>
      ) : (
        <Paper>
          {found.map((trouble) => (
            <div key={trouble.worker} className={classes.trouble}>
              <TriangleAlert size={16} aria-hidden className={classes.warn} />
              <div>
                <WorkerLink account={props.account} name={trouble.worker} />
                {reasons(trouble, t).map((reason) => (
                  <Text key={reason} c="dimmed" fz="sm">
                    {reason}
                  </Text>
                ))}
              </div>
            </div>
          ))}
        </Paper>
      )}
    </Section>
  );
}

type T = ReturnType<typeof useOverviewText>;
const ENDS = ["cpu_budget", "stuck", "memory", "timeout", "start_timeout", "crashed"] as const;

function reasons(trouble: Trouble, t: T): string[] {
  const { requests, errors, deaths, failedStarts, ends } = trouble;
  const known = ENDS.filter((end) => ends.includes(end)).map((end) => t(`end.${end}`));
  const why = known.length === 0 ? "" : ` (${known.join(", ")})`;
  return [
    ...(errors > 0 ? [t("health.errors", { share: percent(errors / Math.max(requests, 1)), count: count(requests) })] : []),
    ...(deaths > 0 ? [t("health.deaths", { count: deaths }) + why] : []),
    ...(failedStarts > 0 ? [t("health.starts", { count: failedStarts })] : []),
  ];
}

function WorkerLink(props: { account: string; name: string }) {
  // Of another API it has its kind before it, and its pages elsewhere.
  if (props.name.includes(":") || props.name.includes("/")) return <Text fw={500}>{props.name}</Text>;
  return (
    <Anchor
      component={Link}
      to="/a/$account/workers/$worker"
      params={{ account: props.account, worker: props.name } as never}
      c="var(--mantine-color-text)"
      fw={500}
    >
      {props.name}
    </Anchor>
  );
}

function Busiest(props: { account: string; groups: Group[] }) {
  const t = useOverviewText();
  const busiest = [...props.groups].sort((one, other) => other.sum.requests - one.sum.requests).slice(0, BUSIEST);
  const most = busiest[0]?.sum.requests ?? 1;
  if (busiest.length === 0) return <Text c="dimmed">–</Text>;
  return (
    <Paper className={classes.list}>
      {busiest.map(({ sum, dimensions }) => {
        const name = dimensions["scriptName"] ?? "";
        return (
          <div key={name} className={classes.busy}>
            <div className="cut">
              <WorkerLink account={props.account} name={name} />
            </div>
            <div className={classes.bar} aria-hidden>
              <div style={{ width: `${(sum.requests / most) * 100}%` }} />
            </div>
            <span>{short(sum.requests)}</span>
            <Text c={sum.errors > 0 ? "var(--bad)" : "dimmed"} fz="xs" title={t("busy.share")}>
              {sum.requests === 0 ? "–" : percent(sum.errors / sum.requests)}
            </Text>
          </div>
        );
      })}
    </Paper>
  );
}
