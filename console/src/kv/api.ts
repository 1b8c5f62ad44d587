import { all, api, body, raw, result, type Schema } from "../api/client";
import { key } from "../api/query";
import { upload } from "../ui/transfer";

export type Namespace = Schema<"KvNamespace">;
export type Key = Schema<"KvKey">;

export const namespacesQuery = (account: string) => ({
  queryKey: key(account, "kv", "namespaces"),
  queryFn: async (): Promise<Namespace[]> => {
    const found = await all((query) =>
      api.GET("/client/v4/accounts/{account}/storage/kv/namespaces", { params: { path: { account }, query } }),
    );
    return found.sort((one, other) => one.title.localeCompare(other.title));
  },
});

export const namespaceQuery = (account: string, namespace: string) => ({
  queryKey: key(account, "kv", "namespaces", namespace),
  queryFn: () =>
    result(
      api.GET("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}", {
        params: { path: { account, namespace } },
      }),
    ),
});

/** Keys that a page of the API may have. */
const PAGE = 1000;

/** A namespace's keys in pieces, as they are asked for. */
export const keysQuery = (account: string, namespace: string, prefix: string) => ({
  queryKey: key(account, "kv", namespace, "keys", prefix),
  initialPageParam: "",
  queryFn: async ({ pageParam: cursor }: { pageParam: string }) => {
    const query = { limit: PAGE, ...(prefix === "" ? {} : { prefix }), ...(cursor === "" ? {} : { cursor }) };
    const page = await body(
      api.GET("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/keys", {
        params: { path: { account, namespace }, query },
      }),
    );
    return { keys: page.result, cursor: page.result_info.cursor };
  },
  getNextPageParam: (last: { cursor: string }) => (last.cursor === "" ? undefined : last.cursor),
});

export interface Value {
  bytes: Uint8Array<ArrayBuffer>;
  /** Seconds since 1970. */
  expiration?: number;
  metadata: unknown;
}

function place(account: string, namespace: string, name: string): string {
  return `/client/v4/accounts/${account}/storage/kv/namespaces/${namespace}/values/${encodeURIComponent(name)}`;
}

export const valueQuery = (account: string, namespace: string, name: string) => ({
  queryKey: key(account, "kv", namespace, "value", name),
  queryFn: async (): Promise<Value> => {
    const [answer, metadata] = await Promise.all([
      raw("GET", place(account, namespace, name)),
      result(
        api.GET("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{key}", {
          params: { path: { account, namespace, key: name } },
        }),
      ),
    ]);
    const ends = Number(answer.headers.get("expiration"));
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return { bytes, metadata, ...(ends > 0 ? { expiration: ends } : {}) };
  },
  staleTime: 0,
  gcTime: 0,
});

export interface Write {
  value: Blob;
  metadata?: unknown;
  expiration?: number;
  ttl?: number;
  onProgress?: (share: number) => void;
}

export async function write(account: string, namespace: string, name: string, sent: Write): Promise<void> {
  const form = new FormData();
  // Metadata first: the value is read as it comes.
  if (sent.metadata !== undefined && sent.metadata !== null) form.set("metadata", JSON.stringify(sent.metadata));
  form.set("value", sent.value);
  const query = new URLSearchParams();
  if (sent.ttl !== undefined) query.set("expiration_ttl", String(sent.ttl));
  else if (sent.expiration !== undefined) query.set("expiration", String(sent.expiration));
  const path = `${place(account, namespace, name)}${query.size > 0 ? `?${query.toString()}` : ""}`;
  await upload({ path, body: form, ...(sent.onProgress === undefined ? {} : { onProgress: sent.onProgress }) });
}

/** Keys that one call may delete. */
const AT_ONCE = 10_000;

export async function removeKeys(account: string, namespace: string, names: string[]): Promise<void> {
  for (let at = 0; at < names.length; at += AT_ONCE) {
    await body(
      api.POST("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete", {
        params: { path: { account, namespace } },
        body: names.slice(at, at + AT_ONCE),
      }),
    );
  }
}
