// Applications of Access, their groups and service tokens, in Cloudflare's shapes.
import { useQuery } from "@tanstack/react-query";

import { api, result } from "../api/client";
import { key, queries } from "../api/query";

const APPS = "/client/v4/accounts/{account}/access/apps";
const APP = "/client/v4/accounts/{account}/access/apps/{app}";
const GROUPS = "/client/v4/accounts/{account}/access/groups";
const GROUP = "/client/v4/accounts/{account}/access/groups/{group}";
const TOKENS = "/client/v4/accounts/{account}/access/service_tokens";
const TOKEN = "/client/v4/accounts/{account}/access/service_tokens/{token}";

export type Decision = "allow" | "deny" | "bypass" | "non_identity";

/** `{ email: { email: "ann@corp.test" } }` and its like. */
export type Rule = Record<string, Record<string, unknown>>;

export interface Policy {
  name: string;
  decision: Decision;
  include: Rule[];
  require: Rule[];
  exclude: Rule[];
}

/** Rules that have a name. */
export type NewGroup = Omit<Policy, "decision">;

export interface NewApp {
  name: string;
  domain: string;
  session_duration: string;
  policies: Policy[];
}

export function useApps(account: string) {
  return useQuery({
    queryKey: key(account, "access", "apps"),
    queryFn: () => result(api.GET(APPS, { params: { path: { account } } })),
  });
}

export function useServiceTokens(account: string) {
  return useQuery({
    queryKey: key(account, "access", "tokens"),
    queryFn: () => result(api.GET(TOKENS, { params: { path: { account } } })),
  });
}

export function useGroups(account: string) {
  return useQuery({
    queryKey: key(account, "access", "groups"),
    queryFn: () => result(api.GET(GROUPS, { params: { path: { account } } })),
  });
}

export type AccessGroup = NonNullable<ReturnType<typeof useGroups>["data"]>[number];
export type App = NonNullable<ReturnType<typeof useApps>["data"]>[number];
export type ServiceToken = NonNullable<ReturnType<typeof useServiceTokens>["data"]>[number];

async function after<T>(account: string, call: Promise<T>): Promise<T> {
  const made = await call;
  await queries.invalidateQueries({ queryKey: key(account, "access") });
  return made;
}

/** Makes one, or puts it in the place of one. Policies are the application's own. */
export function putApp(account: string, body: NewApp, app?: string): Promise<unknown> {
  const sent = { ...body, type: "self_hosted" as const };
  if (app === undefined) return after(account, result(api.POST(APPS, { params: { path: { account } }, body: sent })));
  return after(account, result(api.PUT(APP, { params: { path: { account, app } }, body: sent })));
}

export function removeApp(account: string, app: string): Promise<unknown> {
  return after(account, result(api.DELETE(APP, { params: { path: { account, app } } })));
}

/** Whoever is signed in to it signs in again. */
export function signOutOf(account: string, app: string): Promise<unknown> {
  const path = "/client/v4/accounts/{account}/access/apps/{app}/revoke_tokens";
  return after(account, result(api.POST(path, { params: { path: { account, app } } })));
}

export function putGroup(account: string, body: NewGroup, group?: string): Promise<unknown> {
  if (group === undefined) return after(account, result(api.POST(GROUPS, { params: { path: { account } }, body })));
  return after(account, result(api.PUT(GROUP, { params: { path: { account, group } }, body })));
}

export function removeGroup(account: string, group: string): Promise<unknown> {
  return after(account, result(api.DELETE(GROUP, { params: { path: { account, group } } })));
}

export interface Secret {
  name: string;
  client_id: string;
  client_secret: string;
}

export function createToken(account: string, name: string): Promise<Secret> {
  return after(account, result(api.POST(TOKENS, { params: { path: { account } }, body: { name } })));
}

export function rotateToken(account: string, token: string): Promise<Secret> {
  const path = "/client/v4/accounts/{account}/access/service_tokens/{token}/rotate";
  return after(account, result(api.POST(path, { params: { path: { account, token } } })));
}

export function removeToken(account: string, token: string): Promise<unknown> {
  return after(account, result(api.DELETE(TOKEN, { params: { path: { account, token } } })));
}
