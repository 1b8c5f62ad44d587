import type { Connection } from "../connection.js";
import { HearthError } from "../error.js";
import type { components } from "../schema.js";
import { refuseOptions } from "./unreachable.js";

/** Headers that are kept with an object. */
export interface R2HttpMetadata {
  contentType?: string;
  contentLanguage?: string;
  contentDisposition?: string;
  contentEncoding?: string;
  cacheControl?: string;
  cacheExpiry?: Date;
}

type Content = ReadableStream | ArrayBuffer | ArrayBufferView | string | null | Blob;
type Range = { offset: number; length?: number } | { offset?: number; length: number } | { suffix: number };

/** What is known of an object. */
export class R2Object {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly httpEtag: string;
  readonly uploaded: Date;
  readonly httpMetadata: R2HttpMetadata;
  readonly customMetadata: Record<string, string>;
  readonly storageClass: string;

  constructor(shown: components["schemas"]["R2Object"]) {
    this.key = shown.key;
    this.version = shown.version;
    this.size = shown.size;
    this.etag = shown.etag;
    this.httpEtag = `"${shown.etag}"`;
    this.uploaded = new Date(shown.last_modified);
    const { cacheExpiry, ...http } = shown.http_metadata;
    this.httpMetadata = { ...http, ...(cacheExpiry === undefined ? {} : { cacheExpiry: new Date(cacheExpiry) }) };
    this.customMetadata = shown.custom_metadata;
    this.storageClass = shown.storage_class;
  }

  /** Sets the object's headers. */
  writeHttpMetadata(headers: Headers): void {
    for (const [name, text] of headersOf(this.httpMetadata)) headers.set(name, text);
  }
}

/** An object with its content, which can be read once. */
export class R2ObjectBody extends R2Object {
  readonly #response: Response;

  constructor(shown: components["schemas"]["R2Object"], response: Response) {
    super(shown);
    this.#response = response;
  }

  get body(): ReadableStream<Uint8Array> {
    // An empty content has a stream too.
    return this.#response.body ?? (new Response("").body as ReadableStream<Uint8Array>);
  }

  get bodyUsed(): boolean {
    return this.#response.bodyUsed;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#response.arrayBuffer();
  }

  async bytes(): Promise<Uint8Array> {
    return new Uint8Array(await this.#response.arrayBuffer());
  }

  text(): Promise<string> {
    return this.#response.text();
  }

  json<T = unknown>(): Promise<T> {
    return this.#response.json() as Promise<T>;
  }

  blob(): Promise<Blob> {
    return this.#response.blob();
  }
}

/** What a list gives. */
export interface R2Objects {
  objects: R2Object[];
  truncated: boolean;
  cursor?: string;
  delimitedPrefixes: string[];
}

function headersOf(http: R2HttpMetadata): [string, string][] {
  const all: [string, string | undefined][] = [
    ["content-type", http.contentType],
    ["content-language", http.contentLanguage],
    ["content-disposition", http.contentDisposition],
    ["content-encoding", http.contentEncoding],
    ["cache-control", http.cacheControl],
    ["expires", http.cacheExpiry?.toUTCString()],
  ];
  return all.filter((pair): pair is [string, string] => pair[1] !== undefined);
}

/** JSON that can stand in a header. */
function ascii(value: unknown): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function rangeOf(range: Range): string {
  if ("suffix" in range) return `bytes=-${range.suffix}`;
  const offset = range.offset ?? 0;
  return `bytes=${offset}-${range.length === undefined ? "" : offset + range.length - 1}`;
}

/** An R2 bucket, with the methods that workers have. */
export class R2Bucket {
  readonly #on: Connection;
  readonly #name: string;

  constructor(on: Connection, name: string) {
    this.#on = on;
    this.#name = name;
  }

  #path(key: string): string {
    return `r2/buckets/${encodeURIComponent(this.#name)}/objects/${encodeURIComponent(key)}`;
  }

  async #page(query: { prefix?: string; delimiter?: string; start_after?: string; cursor?: string; per_page?: number }) {
    const account = await this.#on.account();
    const call = this.#on.api.GET("/client/v4/accounts/{account}/r2/buckets/{bucket}/objects", {
      params: { path: { account, bucket: this.#name }, query },
    });
    return this.#on.body(call);
  }

  async #shown(key: string): Promise<components["schemas"]["R2Object"] | null> {
    // Of the keys that begin with it, it is the first one.
    const { result } = await this.#page({ prefix: key, per_page: 1 });
    return result[0]?.key === key ? result[0] : null;
  }

  /** What is known of an object, or null. */
  async head(key: string): Promise<R2Object | null> {
    const shown = await this.#shown(key);
    return shown === null ? null : new R2Object(shown);
  }

  /** An object, or null. */
  async get(key: string, options: { range?: Range } = {}): Promise<R2ObjectBody | null> {
    refuseOptions("get", options, ["range"]);
    for (;;) {
      const shown = await this.#shown(key);
      if (shown === null) return null;
      const headers: Record<string, string> = options.range === undefined ? {} : { range: rangeOf(options.range) };
      let response: Response;
      try {
        response = await this.#on.raw("GET", this.#path(key), { headers });
      } catch (error) {
        if (error instanceof HearthError && error.status === 404) return null;
        throw error;
      }
      // It may have been replaced between the two calls.
      if (response.headers.get("etag") === `"${shown.etag}"`) return new R2ObjectBody(shown, response);
      await response.body?.cancel();
    }
  }

  /** Writes an object. */
  async put(
    key: string,
    value: Content,
    options: {
      httpMetadata?: R2HttpMetadata | Headers;
      customMetadata?: Record<string, string>;
      storageClass?: "Standard" | "InfrequentAccess";
    } = {},
  ): Promise<R2Object> {
    refuseOptions("put", options, ["httpMetadata", "customMetadata", "storageClass"]);
    const headers = new Headers();
    const http = options.httpMetadata;
    if (http instanceof Headers) {
      const kept = ["type", "language", "disposition", "encoding"].map((name) => `content-${name}`);
      for (const name of [...kept, "cache-control", "expires"]) {
        const text = http.get(name);
        if (text !== null) headers.set(name, text);
      }
    } else if (http !== undefined) {
      for (const [name, text] of headersOf(http)) headers.set(name, text);
    }
    if (options.customMetadata !== undefined) headers.set("cf-r2-custom-metadata", ascii(options.customMetadata));
    if (options.storageClass !== undefined) headers.set("cf-r2-storage-class", options.storageClass);
    // Bytes have no type of their own, which a text would bring along.
    const bytes = await new Response(value as BodyInit | null).arrayBuffer();
    const response = await this.#on.raw("PUT", this.#path(key), { body: bytes, headers });
    return new R2Object(((await response.json()) as { result: components["schemas"]["R2Object"] }).result);
  }

  /** Deletes objects, those that are there. */
  async delete(keys: string | string[]): Promise<void> {
    const account = await this.#on.account();
    const call = this.#on.api.DELETE("/client/v4/accounts/{account}/r2/buckets/{bucket}/objects", {
      params: { path: { account, bucket: this.#name } },
      body: typeof keys === "string" ? [keys] : keys,
    });
    await this.#on.result(call);
  }

  /** Objects in the order of their keys. */
  async list(
    options: { prefix?: string; delimiter?: string; startAfter?: string; cursor?: string; limit?: number; include?: string[] } = {},
  ): Promise<R2Objects> {
    // What `include` asks for is there in any case.
    refuseOptions("list", options, ["prefix", "delimiter", "startAfter", "cursor", "limit", "include"]);
    const { result, result_info } = await this.#page({
      ...(options.prefix ? { prefix: options.prefix } : {}),
      ...(options.delimiter ? { delimiter: options.delimiter } : {}),
      ...(options.startAfter ? { start_after: options.startAfter } : {}),
      ...(options.cursor ? { cursor: options.cursor } : {}),
      ...(options.limit === undefined ? {} : { per_page: options.limit }),
    });
    return {
      objects: result.map((shown) => new R2Object(shown)),
      truncated: result_info.is_truncated,
      ...(result_info.is_truncated ? { cursor: result_info.cursor } : {}),
      delimitedPrefixes: result_info.delimited,
    };
  }

  /** Uploads in parts are for workers and S3 clients. */
  createMultipartUpload(): Promise<never> {
    return Promise.reject(new TypeError("createMultipartUpload is not available outside of a worker; S3 clients have it."));
  }
}
