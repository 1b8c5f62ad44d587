import { QueryClient } from "@tanstack/react-query";

import { Fault } from "./error";

/** A refusal stays one; what was not reached, or was in trouble, is asked again. */
function worthAnotherTry(failures: number, error: unknown): boolean {
  const status = error instanceof Fault ? error.status : undefined;
  return failures < 2 && (status === 0 || status === 429 || (status !== undefined && status >= 502));
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: { retry: worthAnotherTry, staleTime: 10_000, refetchOnWindowFocus: true },
    mutations: { retry: false },
  },
});

/**
 * Query keys begin with the account and the area, so that a change can make an area's data stale at once:
 * `queries.invalidateQueries({ queryKey: key(account, "kv") })`.
 */
export function key(account: string, area: string, ...rest: readonly unknown[]) {
  return [account, area, ...rest] as const;
}
