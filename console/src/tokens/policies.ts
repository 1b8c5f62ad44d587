// A token's policies, as they are chosen: permissions, and what they are on. The API wants permissions of accounts, zones
// and people in policies of their own, each with resources of that kind.
import type { Group, Policy } from "./tokens";

export type Kind = "worker" | "kv" | "d1" | "r2" | "queue" | "pages";

/** What permissions are on: an account (`*` is every one), or one thing in it. */
export interface Where {
  account: string;
  kind?: Kind;
  thing?: string;
}

export interface Choice {
  groups: string[];
  where: Where;
}

const ACCOUNT = "com.cloudflare.api.account";
const ZONE = "com.cloudflare.api.account.zone";
const USER = "com.cloudflare.api.user";

const NAMES: Record<Exclude<Kind, "r2">, string> = {
  worker: "com.cloudflare.edge.worker.script",
  kv: "hearth.kv.namespace",
  d1: "hearth.d1.database",
  queue: "hearth.queue",
  pages: "hearth.pages.project",
};

type Resources = Policy["resources"];

function onAccount({ account, kind, thing }: Where): Resources {
  if (kind === undefined || thing === undefined) return { [`${ACCOUNT}.${account}`]: "*" };
  if (kind === "r2") return { [`com.cloudflare.edge.r2.bucket.${account}_default_${thing}`]: "*" };
  return { [`${ACCOUNT}.${account}`]: { [`${NAMES[kind]}.${thing}`]: "*" } };
}

/** The policies of a choice; `user` is whose token it is, where it is a person's. */
export function policiesOf(choice: Choice, groups: readonly Group[], user?: string): Policy[] {
  const chosen = groups.filter(({ id }) => choice.groups.includes(id));
  const within = (scope: string) => chosen.filter(({ scopes }) => scopes[0] === scope);
  const policy = (of: Group[], resources: Resources): Policy[] =>
    of.length === 0
      ? []
      : [{ effect: "allow", permission_groups: of.map(({ id, name }) => ({ id, name })), resources }];
  const [zones, people] = [within(ZONE), within(USER)];
  const others = chosen.filter((group) => !zones.includes(group) && !people.includes(group));
  const { account } = choice.where;
  const allZones = account === "*" ? { [`${ZONE}.*`]: "*" } : { [`${ACCOUNT}.${account}`]: { [`${ZONE}.*`]: "*" } };
  return [
    ...policy(others, onAccount(choice.where)),
    ...policy(zones, allZones),
    ...policy(people, { [`${USER}.${user ?? ""}`]: "*" }),
  ];
}

/** Of a policy, its permissions for people: "Workers Scripts Write, D1 Read". */
export function permissionsOf(policies: readonly { permission_groups: readonly { name?: string }[] }[]): string {
  return policies.flatMap((policy) => policy.permission_groups.map(({ name }) => name ?? "")).join(", ");
}

/** Networks as they are typed. */
export function networksOf(text: string): string[] {
  return text.split(/[,\s]+/).filter((part) => part !== "");
}
