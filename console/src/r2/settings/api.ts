import { api, body, result } from "../../api/client";
import { Fault } from "../../api/error";
import { key, queries } from "../../api/query";
import type { CorsRule, LifecycleRule, LockRule } from "./rules";

export interface Of {
  account: string;
  bucket: string;
}

interface Rules {
  cors: CorsRule;
  lifecycle: LifecycleRule;
  lock: LockRule;
}

const PATHS = {
  cors: "/client/v4/accounts/{account}/r2/buckets/{bucket}/cors",
  lifecycle: "/client/v4/accounts/{account}/r2/buckets/{bucket}/lifecycle",
  lock: "/client/v4/accounts/{account}/r2/buckets/{bucket}/lock",
} as const satisfies Record<keyof Rules, string>;

const keyOf = ({ account, bucket }: Of, ...rest: string[]) => key(account, "r2", bucket, ...rest);

/** R2's code for a bucket that has no CORS rules; every other list is empty then. */
const NO_CORS = "10059";

export const rulesQuery = <K extends keyof Rules>(of: Of, kind: K) => ({
  queryKey: keyOf(of, "rules", kind),
  queryFn: async (): Promise<Rules[K][]> => {
    try {
      const path: (typeof PATHS)[keyof Rules] = PATHS[kind];
      const found = await result(api.GET(path, { params: { path: of } }));
      return found.rules as Rules[K][];
    } catch (fault) {
      if (fault instanceof Fault && fault.code === NO_CORS) return [];
      throw fault;
    }
  },
});

export async function replaceRules<K extends keyof Rules>(of: Of, kind: K, rules: Rules[K][]): Promise<void> {
  const path: (typeof PATHS)[keyof Rules] = PATHS[kind];
  await body(api.PUT(path, { params: { path: of }, body: { rules } }));
  await queries.invalidateQueries({ queryKey: keyOf(of, "rules", kind) });
}

const DOMAINS = "/client/v4/accounts/{account}/r2/buckets/{bucket}/domains";

export const managedQuery = (of: Of) => ({
  queryKey: keyOf(of, "domains", "managed"),
  queryFn: () => result(api.GET(`${DOMAINS}/managed`, { params: { path: of } })),
});

export const domainsQuery = (of: Of) => ({
  queryKey: keyOf(of, "domains", "custom"),
  queryFn: async () => (await result(api.GET(`${DOMAINS}/custom`, { params: { path: of } }))).domains,
});

async function after(of: Of, what: string, call: Promise<unknown>): Promise<void> {
  await call;
  await queries.invalidateQueries({ queryKey: keyOf(of, what) });
}

export function switchManaged(of: Of, enabled: boolean): Promise<void> {
  return after(of, "domains", body(api.PUT(`${DOMAINS}/managed`, { params: { path: of }, body: { enabled } })));
}

export function addDomain(of: Of, domain: string, minTLS: string): Promise<void> {
  return after(of, "domains", body(api.POST(`${DOMAINS}/custom`, { params: { path: of }, body: { domain, minTLS, enabled: true } })));
}

export function switchDomain(of: Of, domain: string, enabled: boolean): Promise<void> {
  return after(of, "domains", body(api.PUT(`${DOMAINS}/custom/{domain}`, { params: { path: { ...of, domain } }, body: { enabled } })));
}

export function removeDomain(of: Of, domain: string): Promise<void> {
  return after(of, "domains", body(api.DELETE(`${DOMAINS}/custom/{domain}`, { params: { path: { ...of, domain } } })));
}

const TOLD = "/client/v4/accounts/{account}/event_notifications/r2/{bucket}/configuration";

/** What a queue can be told of. */
export const ACTIONS = ["PutObject", "CompleteMultipartUpload", "CopyObject", "DeleteObject", "LifecycleDeletion"] as const;

export interface Notification {
  id: string;
  queue: string;
  queueName: string;
  actions: string[];
  prefix: string;
  suffix: string;
  description: string;
}

export const notificationsQuery = (of: Of) => ({
  queryKey: keyOf(of, "notifications"),
  queryFn: async (): Promise<Notification[]> => {
    const { queues } = await result(api.GET(TOLD, { params: { path: of } }));
    return queues.flatMap(({ queueId: queue, queueName, rules }) =>
      rules.map(({ ruleId: id, actions, prefix, suffix, description }) => ({
        id,
        queue,
        queueName,
        actions,
        prefix,
        suffix,
        description: description ?? "",
      })),
    );
  },
});

export type NewNotification = Omit<Notification, "id" | "queueName">;

export function addNotification(of: Of, { queue, actions, prefix, suffix, description }: NewNotification): Promise<void> {
  const rule = { actions, prefix, suffix, description: description === "" ? null : description };
  const params = { path: { ...of, queue } };
  return after(of, "notifications", body(api.PUT(`${TOLD}/queues/{queue}`, { params, body: { rules: [rule] } })));
}

export function removeNotification(of: Of, { queue, id }: Notification): Promise<void> {
  const params = { path: { ...of, queue } };
  return after(of, "notifications", body(api.DELETE(`${TOLD}/queues/{queue}`, { params, body: { ruleIds: [id] } })));
}
