// The rules of a scope: read, changed and checked as a whole.
import { useQuery } from "@tanstack/react-query";

import { api, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";

export interface Network {
  net: string;
  /** Absent: all but 25. */
  ports?: number[];
}

export interface Rules {
  allow: Network[];
  /** Addresses by name. */
  hosts: Record<string, string>;
}

/** Whose rules: the installation's, an account's, or a worker's. */
export type Scope = { account?: undefined } | { account: string; worker?: string };

const NONE: Rules = { allow: [], hosts: {} };

function keyOf(scope: Scope) {
  if (scope.account === undefined) return ["installation", "egress"] as const;
  return key(scope.account, "egress", scope.worker ?? null);
}

/** As the API gives and takes them; null: none are set. */
type Sent = Schema<"EgressRules">;

function fill(rules: Sent): Rules {
  return { allow: rules?.allow ?? NONE.allow, hosts: (rules?.hosts as Rules["hosts"] | undefined) ?? NONE.hosts };
}

async function read(scope: Scope): Promise<Rules> {
  if (scope.account === undefined) return fill((await result(api.GET("/client/v4/installation/egress"))));
  const { account, worker } = scope;
  if (worker === undefined) {
    const params = { path: { account } };
    return fill((await result(api.GET("/client/v4/accounts/{account}/hearth/egress", { params }))));
  }
  const params = { path: { account, worker } };
  const path = "/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/egress";
  return fill((await result(api.GET(path, { params }))));
}

export function useRules(scope: Scope, enabled = true) {
  return useQuery({ queryKey: keyOf(scope), queryFn: () => read(scope), enabled });
}

export async function replace(scope: Scope, rules: Rules): Promise<void> {
  const empty = rules.allow.length === 0 && Object.keys(rules.hosts).length === 0;
  const body: Sent = empty ? null : rules;
  if (scope.account === undefined) {
    await result(api.PUT("/client/v4/installation/egress", { body }));
  } else if (scope.worker === undefined) {
    const params = { path: { account: scope.account } };
    await result(api.PUT("/client/v4/accounts/{account}/hearth/egress", { params, body }));
  } else {
    const params = { path: { account: scope.account, worker: scope.worker } };
    await result(api.PUT("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/egress", { params, body }));
  }
  await queries.invalidateQueries({ queryKey: keyOf(scope) });
}

/** Ports as they are typed: null is all of them, undefined is nonsense. */
export function portsOf(text: string): number[] | null | undefined {
  const parts = text.split(/[,\s]+/).filter((part) => part !== "");
  if (parts.length === 0) return null;
  const ports = parts.map(Number);
  return ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65_535) ? ports : undefined;
}

/** Whether it looks like an address or a range; the server decides. */
export function looksLikeNetwork(text: string): boolean {
  return /^[0-9a-fA-F:.]+(\/\d{1,3})?$/.test(text) && /[:.]/.test(text);
}

/** The command with which the same is listed or opened. */
export function command(scope: Scope, rest: string): string {
  if (scope.account === undefined) return `hearth egress ${rest}`;
  const worker = scope.worker === undefined ? "" : ` --worker ${scope.worker}`;
  return `hearth egress ${rest} --account ${scope.account}${worker}`;
}
