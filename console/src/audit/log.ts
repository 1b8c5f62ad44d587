import { useInfiniteQuery } from "@tanstack/react-query";

import { api, body, type Schema } from "../api/client";
import { key } from "../api/query";

export type Entry = Schema<"AuditLog">;

/** Null: every one. */
export interface Filter {
  since: string;
  before: string;
  email: string;
  verb: string | null;
  /** Of the installation's log: with what is accounts' business. */
  all?: boolean;
}

const PER_PAGE = 100;

/** The newest first, a page at a time. Without an account: the installation's. */
export function useLog(account: string | undefined, filter: Filter) {
  return useInfiniteQuery({
    queryKey: account === undefined ? ["installation", "audit", filter] : key(account, "audit", filter),
    initialPageParam: 1,
    queryFn: ({ pageParam: page }) => {
      const query = {
        page,
        per_page: PER_PAGE,
        direction: "desc" as const,
        ...(filter.since === "" ? {} : { since: filter.since }),
        // The day that is named is one of them.
        ...(filter.before === "" ? {} : { before: dayAfter(filter.before) }),
        ...(filter.email === "" ? {} : { "actor.email": filter.email }),
        ...(filter.verb === null ? {} : { "action.type": filter.verb }),
      };
      if (account === undefined) {
        const params = { query: { ...query, ...(filter.all === true ? { all: true } : {}) } };
        return body(api.GET("/client/v4/installation/audit_logs", { params }));
      }
      return body(api.GET("/client/v4/accounts/{account}/audit_logs", { params: { path: { account }, query } }));
    },
    getNextPageParam: (last, pages) => {
      const seen = pages.reduce((sum, page) => sum + page.result.length, 0);
      return last.result.length === 0 || seen >= last.result_info.total_count ? undefined : pages.length + 1;
    },
    staleTime: 0,
  });
}

function dayAfter(day: string): string {
  const date = new Date(`${day}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + 1);
  return date.toISOString().slice(0, 10);
}
