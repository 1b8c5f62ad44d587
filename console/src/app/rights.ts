// What the caller may do. The API decides, and refuses; pages do not offer what it would refuse.
import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";

import { all, api, type Schema } from "../api/client";
import { useOperator } from "../api/session";
import { useAccount } from "./account";

/** What a right is about, in the API's words. */
export type Area =
  | "ownership"
  | "account_settings"
  | "members"
  | "account_tokens"
  | "audit_logs"
  | "access"
  | "workers"
  | "kv"
  | "r2_storage"
  | "r2_items"
  | "d1"
  | "queues"
  | "pages"
  | "workers_routes";

export type Level = "read" | "write";

export const membershipsQuery = {
  queryKey: ["memberships"],
  queryFn: () => all((query) => api.GET("/client/v4/memberships", { params: { query } })),
  staleTime: 60_000,
};

/** Whether the memberships of a caller give a right in an account. */
export function gives(memberships: readonly Schema<"Membership">[], account: string, area: Area, level: Level): boolean {
  return memberships.find((one) => one.account.id === account)?.permissions[area]?.[level] === true;
}

/** `may("kv", "read")`: whether the caller may, in the account that the page is about. Nothing, before that is known. */
export function useRights(): (area: Area, level: Level) => boolean {
  const operator = useOperator();
  const account = useAccount();
  const { data } = useQuery({ ...membershipsQuery, enabled: !operator });
  return useCallback((area, level) => operator || gives(data ?? [], account, area, level), [operator, data, account]);
}

/** Whether the caller may change what an area has, or look at it. */
export function useMay(area: Area, level: Level = "write"): boolean {
  return useRights()(area, level);
}
