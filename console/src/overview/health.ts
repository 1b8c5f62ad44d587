// Which workers need somebody to look at them, and why. Pure.
import type { Schema } from "../api/client";
import type { Group } from "../metrics/query";

export type LiveWorker = Schema<"LiveWorker">;

export interface Trouble {
  worker: string;
  /** Of the last hour. */
  requests: number;
  errors: number;
  deaths: number;
  failedStarts: number;
  /** Why processes ended since the server began, the commonest first. */
  ends: string[];
}

/** From this share of 5xx answers on a worker is in trouble. */
const SHARE = 0.05;

/** The last hour of every worker beside how it is now; the worst first. */
export function troubles(hour: readonly Group[], live: readonly LiveWorker[]): Trouble[] {
  const found = new Map<string, Trouble>();
  const of = (worker: string): Trouble => {
    const known = found.get(worker) ?? { worker, requests: 0, errors: 0, deaths: 0, failedStarts: 0, ends: [] };
    found.set(worker, known);
    return known;
  };
  for (const { sum, dimensions } of hour) {
    const one = of(dimensions["scriptName"] ?? "");
    one.requests = sum.requests;
    one.errors = sum.errors;
    one.deaths = sum.processDeaths;
  }
  for (const worker of live) {
    const one = of(worker.name);
    one.failedStarts = worker.failed_starts;
    one.ends = Object.entries(worker.ends)
      .sort(([, some], [, others]) => others - some)
      .map(([why]) => why);
  }
  const weight = ({ requests, errors, deaths, failedStarts }: Trouble) =>
    (requests === 0 ? 0 : errors / requests) * 100 + deaths + failedStarts;
  return [...found.values()]
    .filter(
      ({ requests, errors, deaths, failedStarts }) =>
        (errors > 0 && errors >= requests * SHARE) || deaths > 0 || failedStarts > 0,
    )
    .sort((one, other) => weight(other) - weight(one));
}
