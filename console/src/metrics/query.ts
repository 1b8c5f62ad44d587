// What workers did over time: the node `workersInvocationsAdaptive` of GraphQL.
import { api, body } from "../api/client";
import { Fault } from "../api/error";
import { key } from "../api/query";

/** How far back, in what steps. The minutes are kept for 30 days. */
export const RANGES = {
  hour: { seconds: 3600, step: 60, dimension: "datetimeMinute" },
  day: { seconds: 86_400, step: 900, dimension: "datetimeFifteenMinutes" },
  week: { seconds: 7 * 86_400, step: 3600, dimension: "datetimeHour" },
  month: { seconds: 30 * 86_400, step: 86_400, dimension: "date" },
} as const;
export type Range = keyof typeof RANGES;

interface Sum {
  requests: number;
  errors: number;
  clientDisconnects: number;
  subrequests: number;
  responseBodySize: number;
  cpuTimeUs: number;
  coldStarts: number;
  processDeaths: number;
}

interface Quantiles {
  wallTimeP50: number;
  wallTimeP95: number;
  wallTimeP99: number;
  cpuTimeP50: number;
  cpuTimeP99: number;
}

/** What happened in a step of time, or of one worker. */
export interface Group {
  sum: Sum;
  max: { memoryBytes: number };
  quantiles: Quantiles;
  dimensions: Record<string, string>;
}

const FIELDS = `sum { requests errors clientDisconnects subrequests responseBodySize cpuTimeUs coldStarts processDeaths }
  max { memoryBytes } quantiles { wallTimeP50 wallTimeP95 wallTimeP99 cpuTimeP50 cpuTimeP99 }`;

const MOST = 10_000;

interface Answer {
  data: { viewer: { accounts: Record<string, Group[]>[] } } | null;
  errors: { message: string }[] | null;
}

export interface Series {
  /** Seconds since 1970; every step of the range, also those in which nothing happened. */
  times: number[];
  groups: (Group | undefined)[];
  /** All of it in one. */
  whole: Group | undefined;
  /** By worker, in no order. */
  workers: Group[];
}

async function ask(account: string, range: Range, worker: string | undefined): Promise<Series> {
  const { seconds, step, dimension } = RANGES[range];
  const now = Math.floor(Date.now() / 1000);
  const from = now - seconds;
  const filter = {
    datetime_geq: new Date(from * 1000).toISOString(),
    datetime_leq: new Date(now * 1000).toISOString(),
    ...(worker === undefined ? {} : { scriptName: worker }),
  };
  const node = "workersInvocationsAdaptive";
  const query = `query Console($account: string!, $filter: Filter) {
    viewer { accounts(filter: { accountTag: $account }) {
      steps: ${node}(limit: ${MOST}, filter: $filter, orderBy: [${dimension}_ASC]) { ${FIELDS} dimensions { ${dimension} } }
      whole: ${node}(limit: 1, filter: $filter) { ${FIELDS} }
      workers: ${node}(limit: ${MOST}, filter: $filter) { ${FIELDS} dimensions { scriptName } }
    } }
  }`;
  const answer = (await body(
    api.POST("/client/v4/graphql", { body: { query, variables: { account, filter } } }),
  )) as unknown as Answer;
  const found = answer.data?.viewer.accounts[0];
  if (found === undefined) throw new Fault(400, answer.errors?.map(({ message }) => message).join(" ") ?? "");
  const at = new Map<number, Group>();
  for (const group of found.steps ?? []) {
    at.set(Math.floor(new Date(group.dimensions[dimension] ?? 0).getTime() / 1000), group);
  }
  const times: number[] = [];
  for (let time = from - (from % step) + step; time <= now; time += step) times.push(time);
  return {
    times,
    groups: times.map((time) => at.get(time)),
    whole: found.whole?.[0],
    workers: found.workers ?? [],
  };
}

export const seriesQuery = (account: string, range: Range, worker?: string) => ({
  queryKey: key(account, "metrics", range, worker),
  queryFn: () => ask(account, range, worker),
  refetchInterval: 60_000,
});
