import { all, api, body, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";

export type Queue = Schema<"Queue">;
export type Consumer = Schema<"QueueConsumer">;
export type Subscription = Schema<"Subscription">;

const ONE = "/client/v4/accounts/{account}/queues/{queue}";
const of = (account: string, queue: string) => ({ path: { account, queue } });

export const queuesQuery = (account: string) => ({
  queryKey: key(account, "queues", "list"),
  queryFn: (): Promise<Queue[]> =>
    all((query) => api.GET("/client/v4/accounts/{account}/queues", { params: { path: { account }, query } })),
});

export const queueQuery = (account: string, queue: string) => ({
  queryKey: key(account, "queues", queue, "about"),
  queryFn: (): Promise<Queue> => result(api.GET(ONE, { params: of(account, queue) })),
});

export const subscriptionsQuery = (account: string, queue: string) => ({
  queryKey: key(account, "queues", queue, "subscriptions"),
  queryFn: (): Promise<Subscription[]> =>
    all((page) => {
      const params = { path: { account }, query: { ...page, queue_id: queue } };
      return api.GET("/client/v4/accounts/{account}/event_subscriptions/subscriptions", { params });
    }),
});

/** How often what waits is looked at while somebody looks. */
const EVERY = 5000;

export const metricsQuery = (account: string, queue: string) => ({
  queryKey: key(account, "queues", queue, "metrics"),
  queryFn: () => result(api.GET("/client/v4/accounts/{account}/queues/{queue}/metrics", { params: of(account, queue) })),
  refetchInterval: EVERY,
});

export interface Message {
  id: string;
  ref: string;
  attempts: number;
  sent: number;
  type: "json" | "text" | "bytes" | "v8";
  /** As the API has it: base64 of what is no text. */
  raw: string;
  /** As a person reads it. */
  text: string;
}

function readable(type: string, raw: string): string {
  if (type === "text") return raw;
  const bytes = Uint8Array.from(atob(raw), (letter) => letter.charCodeAt(0));
  return type === "json" ? new TextDecoder().decode(bytes) : raw;
}

export const MOST = 100;

export const peekQuery = (account: string, queue: string) => ({
  queryKey: key(account, "queues", queue, "peek"),
  queryFn: async (): Promise<Message[]> => {
    const path = "/client/v4/accounts/{account}/queues/{queue}/messages/peek";
    const { messages } = await result(api.POST(path, { params: of(account, queue), body: { batch_size: MOST } }));
    return messages.map(({ id, ref, attempts, timestamp_ms: sent, metadata, body: raw }) => {
      const type = metadata["CF-Content-Type"];
      return { id, ref, attempts, sent, type, raw, text: readable(type, raw) };
    });
  },
  staleTime: 0,
});

export type Sent = { type: "json" | "text" | "bytes"; body: unknown; delay?: number };

export async function send(account: string, queue: string, { type, body: content, delay }: Sent): Promise<void> {
  await body(
    api.POST("/client/v4/accounts/{account}/queues/{queue}/messages", {
      params: of(account, queue),
      body: { body: content, content_type: type, ...(delay === undefined ? {} : { delay_seconds: delay }) },
    }),
  );
}

export async function removeMessages(account: string, queue: string, refs: string[]): Promise<void> {
  const path = "/client/v4/accounts/{account}/queues/{queue}/messages/purge";
  await body(api.POST(path, { params: of(account, queue), body: { refs: refs.map((ref) => ({ ref })) } }));
}

/** Sends dead letters to the queue that they came from, each one before it is taken away here. */
export async function sendBack(account: string, from: string, to: string, messages: Message[]): Promise<void> {
  for (const { type, raw, text, ref } of messages) {
    if (type === "v8") continue;
    await send(account, to, { type, body: type === "json" ? (JSON.parse(text) as unknown) : raw });
    await removeMessages(account, from, [ref]);
  }
}

export async function change(
  account: string,
  queue: string,
  to: { queue_name?: string; settings?: { delivery_paused?: boolean; delivery_delay?: number; message_retention_period?: number } },
): Promise<void> {
  await body(api.PATCH(ONE, { params: of(account, queue), body: to }));
  await stale(account);
}

export function stale(account: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: key(account, "queues") });
}
