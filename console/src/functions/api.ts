// Functions have three APIs of their own. None of them has an account in its paths: a header names it.
import { api, apiOf, body, type Schema } from "../api/client";
import { key, queries } from "../api/query";
import type { Known } from "./run/known";

export type Run = Schema<"Function">;
export type Routed = Schema<"NexoFunction">;
export type Versioned = Schema<"DeployedFunction">;
export type Result = Schema<"FunctionResult">;
export type CallRecord = Schema<"FunctionRecord">;

/** What a command line shows of who calls, and in which account. */
export const caller = (account: string) => `-H "Authorization: Bearer $TOKEN" -H "Hearth-Account: ${account}"`;

export const runsQuery = (account: string) => ({
  queryKey: key(account, "functions", "run"),
  queryFn: async () => (await body(apiOf(account).GET("/api/v1/functions"))).functions,
});

export const routedQuery = (account: string) => ({
  queryKey: key(account, "functions", "routed"),
  queryFn: async () => (await body(apiOf(account).GET("/api/functions"))).functions,
});

export const versionedQuery = (account: string) => ({
  queryKey: key(account, "functions", "versioned"),
  queryFn: async () => (await body(apiOf(account).GET("/api/deploy"))).functions,
});

export const runQuery = (account: string, id: string) => ({
  queryKey: key(account, "functions", "run", id),
  queryFn: async () => {
    const query = { source: true };
    return (await body(apiOf(account).GET("/api/v1/functions/{id}", { params: { path: { id }, query } }))) as Known;
  },
});

export const runStatsQuery = (account: string, id: string) => ({
  queryKey: key(account, "functions", "run", id, "stats"),
  queryFn: () => body(apiOf(account).GET("/api/v1/functions/{id}/stats", { params: { path: { id } } })),
  staleTime: 0,
});

/** Calls that are read for a page. */
const CALLS = 500;

export const callsQuery = (account: string, id: string) => ({
  queryKey: key(account, "functions", "run", id, "calls"),
  queryFn: () =>
    body(apiOf(account).GET("/api/v1/functions/{id}/invocations", { params: { path: { id }, query: { limit: CALLS } } })),
  staleTime: 0,
});

export const routedOneQuery = (account: string, id: string) => ({
  queryKey: key(account, "functions", "routed", id),
  queryFn: () => body(apiOf(account).GET("/api/functions/{id}", { params: { path: { id } } })),
});

export const routedStatsQuery = (account: string, id: string) => ({
  queryKey: key(account, "functions", "routed", id, "stats"),
  queryFn: () => body(apiOf(account).GET("/api/functions/{id}/stats", { params: { path: { id } } })),
  refetchInterval: 5000,
  staleTime: 0,
});

export const versionedOneQuery = (account: string, name: string) => ({
  queryKey: key(account, "functions", "versioned", name),
  queryFn: () => body(apiOf(account).GET("/api/deploy/{name}", { params: { path: { name } } })),
});

/** The worker that a function with versions is: its id, by which requests are sent to it. */
export const workerIdQuery = (account: string, name: string) => ({
  queryKey: key(account, "functions", "versioned", name, "worker"),
  queryFn: async (): Promise<string | null> => {
    for (let page = 1; ; page += 1) {
      const got = await body(
        api.GET("/client/v4/accounts/{account}/workers/scripts", {
          params: { path: { account }, query: { page, per_page: 1000 } },
        }),
      );
      const found = got.result.find(({ id, kind }) => kind === "deploy" && id.toLowerCase() === name.toLowerCase());
      if (found !== undefined) return found.tag;
      if (got.result.length === 0 || page >= got.result_info.total_pages) return null;
    }
  },
});

export function stale(account: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: key(account, "functions") });
}
