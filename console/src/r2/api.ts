import { api, body, raw, result, type Schema } from "../api/client";
import { key } from "../api/query";

export type Bucket = Schema<"Bucket">;
export type R2Object = Schema<"R2Object">;

const PER_PAGE = 1000;

export const bucketsQuery = (account: string) => ({
  queryKey: key(account, "r2", "buckets"),
  queryFn: async (): Promise<Bucket[]> => {
    const buckets: Bucket[] = [];
    for (;;) {
      const after = buckets.at(-1)?.name;
      const query = { per_page: PER_PAGE, ...(after === undefined ? {} : { start_after: after }) };
      const page = await result(api.GET("/client/v4/accounts/{account}/r2/buckets", { params: { path: { account }, query } }));
      buckets.push(...page.buckets);
      if (page.buckets.length < PER_PAGE) return buckets;
    }
  },
});

export const usageQuery = (account: string, bucket: string) => ({
  queryKey: key(account, "r2", bucket, "usage"),
  queryFn: () =>
    result(api.GET("/client/v4/accounts/{account}/r2/buckets/{bucket}/usage", { params: { path: { account, bucket } } })),
});

/** A line of a folder: one below it, or an object. */
export type Entry = { folder: string } | { object: R2Object };

export const listQuery = (account: string, bucket: string, prefix: string) => ({
  queryKey: key(account, "r2", bucket, "objects", prefix),
  initialPageParam: "",
  queryFn: async ({ pageParam: cursor }: { pageParam: string }) => {
    const query = {
      per_page: PER_PAGE,
      delimiter: "/",
      ...(prefix === "" ? {} : { prefix }),
      ...(cursor === "" ? {} : { cursor }),
    };
    const page = await body(
      api.GET("/client/v4/accounts/{account}/r2/buckets/{bucket}/objects", { params: { path: { account, bucket }, query } }),
    );
    const folders: Entry[] = page.result_info.delimited.map((folder) => ({ folder }));
    const objects: Entry[] = page.result.map((object) => ({ object }));
    return { entries: [...folders, ...objects], cursor: page.result_info.is_truncated ? page.result_info.cursor : "" };
  },
  getNextPageParam: (last: { cursor: string }) => (last.cursor === "" ? undefined : last.cursor),
});

/** An object's path in the API. Its folders stay folders. */
export function place(account: string, bucket: string, name: string): string {
  const path = name.split("/").map(encodeURIComponent).join("/");
  return `/client/v4/accounts/${account}/r2/buckets/${bucket}/objects/${path}`;
}

/** Bytes of an object that are read to show it. */
export const SHOWN = 256 * 1024;
const IMAGE = 16 << 20;

/** An object's bytes, or its first ones. */
export const contentQuery = (account: string, bucket: string, object: R2Object, image: boolean) => ({
  queryKey: key(account, "r2", bucket, "content", object.key, object.version),
  queryFn: async (): Promise<Uint8Array<ArrayBuffer>> => {
    if (object.size === 0) return new Uint8Array();
    const most = image ? IMAGE : SHOWN;
    const headers = { range: `bytes=0-${Math.min(object.size, most) - 1}` };
    const answer = await raw("GET", place(account, bucket, object.key), { headers });
    return new Uint8Array(await answer.arrayBuffer());
  },
});

const AT_ONCE = 1000;

export async function removeObjects(account: string, bucket: string, keys: string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    await body(
      api.DELETE("/client/v4/accounts/{account}/r2/buckets/{bucket}/objects", {
        params: { path: { account, bucket } },
        body: keys.slice(at, at + AT_ONCE),
      }),
    );
  }
}
