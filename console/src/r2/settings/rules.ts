// A bucket's rules as the API has them, and as forms have them. What a form does not show of a rule stays as it is.
const DAY = 86_400;

/** When a rule acts: days after something was written, from a moment on, or never (of a lock: for ever). */
export interface When {
  kind: "none" | "age" | "date";
  days: number | string;
  /** RFC 3339. */
  date: string;
}

export const NEVER: When = { kind: "none", days: 30, date: "" };

/** Whether it says when. */
export function isWhole({ kind, days, date }: When): boolean {
  return kind === "none" || (kind === "age" ? Number(days) > 0 : date !== "");
}

type Condition = { type: "Age"; maxAge: number } | { type: "Date"; date: string };

interface Transition {
  condition: Condition;
}

export interface LifecycleRule {
  id: string;
  enabled: boolean;
  conditions?: { prefix?: string };
  deleteObjectsTransition?: Transition | null;
  storageClassTransitions?: (Transition & { storageClass: string })[] | null;
  abortMultipartUploadsTransition?: Transition | null;
}

export interface LifecycleForm {
  id: string;
  enabled: boolean;
  prefix: string;
  expire: When;
  /** To Infrequent Access. */
  move: When;
  abort: When;
}

function whenOf(transition: Transition | null | undefined): When {
  if (transition === null || transition === undefined) return NEVER;
  const { condition } = transition;
  if (condition.type === "Age") return { ...NEVER, kind: "age", days: condition.maxAge / DAY };
  return { ...NEVER, kind: "date", date: condition.date };
}

function transitionOf({ kind, days, date }: When): Transition | undefined {
  if (kind === "none") return undefined;
  return { condition: kind === "age" ? { type: "Age", maxAge: Math.round(Number(days) * DAY) } : { type: "Date", date } };
}

export function lifecycleForm(rule?: LifecycleRule): LifecycleForm {
  return {
    id: rule?.id ?? "",
    enabled: rule?.enabled ?? true,
    prefix: rule?.conditions?.prefix ?? "",
    expire: whenOf(rule?.deleteObjectsTransition),
    move: whenOf(rule?.storageClassTransitions?.[0]),
    abort: whenOf(rule?.abortMultipartUploadsTransition),
  };
}

export function lifecycleRule(form: LifecycleForm, before?: LifecycleRule): LifecycleRule {
  const [expire, move, abort] = [form.expire, form.move, form.abort].map(transitionOf);
  const { deleteObjectsTransition: _, abortMultipartUploadsTransition: __, storageClassTransitions: ___, ...rest } = before ?? {};
  const others = before?.storageClassTransitions?.slice(1) ?? [];
  const moves = [...(move === undefined ? [] : [{ storageClass: "InfrequentAccess", ...move }]), ...others];
  return {
    ...rest,
    id: form.id.trim(),
    enabled: form.enabled,
    conditions: { ...before?.conditions, prefix: form.prefix },
    ...(expire === undefined ? {} : { deleteObjectsTransition: expire }),
    ...(moves.length === 0 ? {} : { storageClassTransitions: moves }),
    ...(abort === undefined ? {} : { abortMultipartUploadsTransition: abort }),
  };
}

type LockCondition = { type: "Age"; maxAgeSeconds: number } | { type: "Date"; date: string } | { type: "Indefinite" };

export interface LockRule {
  id: string;
  enabled: boolean;
  prefix?: string;
  condition: LockCondition;
}

export interface LockForm {
  id: string;
  enabled: boolean;
  prefix: string;
  until: When;
}

export function lockForm(rule?: LockRule): LockForm {
  const condition = rule?.condition ?? { type: "Age", maxAgeSeconds: 30 * DAY };
  const until: When =
    condition.type === "Age"
      ? { ...NEVER, kind: "age", days: condition.maxAgeSeconds / DAY }
      : condition.type === "Date"
        ? { ...NEVER, kind: "date", date: condition.date }
        : NEVER;
  return { id: rule?.id ?? "", enabled: rule?.enabled ?? true, prefix: rule?.prefix ?? "", until };
}

export function lockRule({ id, enabled, prefix, until }: LockForm): LockRule {
  const condition: LockCondition =
    until.kind === "age"
      ? { type: "Age", maxAgeSeconds: Math.round(Number(until.days) * DAY) }
      : until.kind === "date"
        ? { type: "Date", date: until.date }
        : { type: "Indefinite" };
  return { id: id.trim(), enabled, ...(prefix === "" ? {} : { prefix }), condition };
}

export interface CorsRule {
  id?: string;
  allowed: { origins: string[]; methods: string[]; headers?: string[] };
  exposeHeaders?: string[];
  maxAgeSeconds?: number;
}

/** Lists as they are typed: one on a line, or with commas. */
export interface CorsForm {
  origins: string;
  methods: string[];
  headers: string;
  expose: string;
  maxAge: number | string;
}

/** What is typed, one by one. */
export function each(text: string): string[] {
  return text.split(/[\s,]+/).filter((part) => part !== "");
}

export function corsForm(rule?: CorsRule): CorsForm {
  return {
    origins: rule?.allowed.origins.join("\n") ?? "",
    methods: rule?.allowed.methods ?? ["GET"],
    headers: rule?.allowed.headers?.join("\n") ?? "",
    expose: rule?.exposeHeaders?.join("\n") ?? "",
    maxAge: rule?.maxAgeSeconds ?? 3600,
  };
}

export function corsRule(form: CorsForm, before?: CorsRule): CorsRule {
  return {
    ...before,
    allowed: { ...before?.allowed, origins: each(form.origins), methods: form.methods, headers: each(form.headers) },
    exposeHeaders: each(form.expose),
    maxAgeSeconds: Number(form.maxAge),
  };
}
