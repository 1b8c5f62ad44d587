// Rules of policies, as a kind and a value.
import type { Rule } from "./access";

export const KINDS = [
  "everyone",
  "email",
  "email_domain",
  "ip",
  "geo",
  "group",
  "oidc",
  "any_valid_service_token",
  "service_token",
] as const;
export type Kind = (typeof KINDS)[number];

/** Groups do not name one another. */
export const KINDS_OF_GROUPS = KINDS.filter((kind) => kind !== "group");

/** Where a kind has its value. */
const MEMBERS: Partial<Record<Kind, string>> = {
  email: "email",
  email_domain: "domain",
  ip: "ip",
  geo: "country_code",
  group: "id",
  oidc: "claim_value",
  service_token: "token_id",
};

export function takesValue(kind: Kind): boolean {
  return MEMBERS[kind] !== undefined;
}

/** Undefined: a kind that this page does not know. */
export function kindOf(rule: Rule): Kind | undefined {
  return KINDS.find((kind) => kind in rule);
}

export function valueOf(rule: Rule): string {
  const kind = kindOf(rule);
  const member = kind === undefined ? undefined : MEMBERS[kind];
  return member === undefined || kind === undefined ? "" : String(rule[kind]?.[member] ?? "");
}

export function ruleOf(kind: Kind, value: string): Rule {
  const member = MEMBERS[kind];
  const about = member === undefined ? {} : { [member]: value };
  return { [kind]: kind === "oidc" ? { claim_name: "groups", ...about } : about };
}

export function isComplete(rule: Rule): boolean {
  const kind = kindOf(rule);
  return kind === undefined || !takesValue(kind) || valueOf(rule).trim() !== "";
}
