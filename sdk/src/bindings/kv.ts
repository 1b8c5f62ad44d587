import type { Connection } from "../connection.js";
import { HearthError } from "../error.js";
import { refuseOptions } from "./unreachable.js";

type Type = "text" | "json" | "arrayBuffer" | "stream";
type Value<T extends Type> = T extends "text"
  ? string
  : T extends "json"
    ? any
    : T extends "arrayBuffer"
      ? ArrayBuffer
      : ReadableStream<Uint8Array>;
type Choice<T extends Type> = T | { type?: T; cacheTtl?: number };
type Content = string | ArrayBuffer | ArrayBufferView | ReadableStream;

/** What a list gives. */
export interface KvList<Metadata = unknown> {
  keys: { name: string; expiration?: number; metadata?: Metadata }[];
  list_complete: boolean;
  cursor?: string;
  cacheStatus: null;
}

const MANY = 100;

function typeOf<T extends Type>(choice: Choice<T> | undefined): Type {
  return (typeof choice === "string" ? choice : choice?.type) ?? "text";
}

async function read(response: Response, type: Type): Promise<unknown> {
  switch (type) {
    case "text":
      return response.text();
    case "json":
      return response.json();
    case "arrayBuffer":
      return response.arrayBuffer();
    case "stream":
      return response.body;
    default:
      throw new TypeError(`Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".`);
  }
}

/** A KV namespace, with the methods that workers have. */
export class KvNamespace {
  readonly #on: Connection;
  readonly #id: string;

  constructor(on: Connection, id: string) {
    this.#on = on;
    this.#id = id;
  }

  #path(rest: string): string {
    return `storage/kv/namespaces/${this.#id}/${rest}`;
  }

  #of(what: "values" | "metadata", key: string): string {
    if (key === "") throw new TypeError("Key name cannot be empty.");
    return this.#path(`${what}/${encodeURIComponent(key)}`);
  }

  async #find(key: string): Promise<Response | null> {
    try {
      return await this.#on.raw("GET", this.#of("values", key));
    } catch (error) {
      if (error instanceof HearthError && error.status === 404 && error.code === 10009) return null;
      throw error;
    }
  }

  /** A value, or null; of several keys, a map of theirs. */
  get<T extends Type = "text">(key: string, choice?: Choice<T>): Promise<Value<T> | null>;
  get<T extends "text" | "json" = "text">(keys: string[], choice?: Choice<T>): Promise<Map<string, Value<T> | null>>;
  async get(key: string | string[], choice?: Choice<Type>): Promise<unknown> {
    if (Array.isArray(key)) {
      const found = await this.#many(key, typeOf(choice), false);
      return new Map(key.map((name) => [name, found[name] ?? null]));
    }
    const response = await this.#find(key);
    return response === null ? null : read(response, typeOf(choice));
  }

  /** A value with its metadata; of several keys, a map of theirs. */
  getWithMetadata<M = unknown, T extends Type = "text">(
    key: string,
    choice?: Choice<T>,
  ): Promise<{ value: Value<T> | null; metadata: M | null; cacheStatus: null }>;
  getWithMetadata<M = unknown, T extends "text" | "json" = "text">(
    keys: string[],
    choice?: Choice<T>,
  ): Promise<Map<string, { value: Value<T> | null; metadata: M | null; cacheStatus: null }>>;
  async getWithMetadata(key: string | string[], choice?: Choice<Type>): Promise<unknown> {
    const none = { value: null, metadata: null, cacheStatus: null };
    if (Array.isArray(key)) {
      const found = await this.#many(key, typeOf(choice), true);
      return new Map(key.map((name) => [name, { ...none, ...(found[name] as object | null) }]));
    }
    const response = await this.#find(key);
    if (response === null) return none;
    const metadata = await this.#on.raw("GET", this.#of("metadata", key));
    const { result } = (await metadata.json()) as { result: unknown };
    return { ...none, value: await read(response, typeOf(choice)), metadata: result };
  }

  async #many(keys: string[], type: Type, withMetadata: boolean): Promise<Record<string, unknown>> {
    if (type !== "text" && type !== "json") throw new TypeError(`${type} is not available for several keys.`);
    if (keys.length > MANY) throw new TypeError(`At most ${MANY} keys can be asked for at once.`);
    const account = await this.#on.account();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get", {
      params: { path: { account, namespace: this.#id } },
      body: { keys, type, withMetadata },
    });
    return (await this.#on.result(call)).values;
  }

  /** Writes a value. */
  async put(
    key: string,
    value: Content,
    options: { expiration?: number; expirationTtl?: number; metadata?: unknown } = {},
  ): Promise<void> {
    refuseOptions("put", options, ["expiration", "expirationTtl", "metadata"]);
    const query = new URLSearchParams();
    if (options.expiration !== undefined) query.set("expiration", String(options.expiration));
    if (options.expirationTtl !== undefined) query.set("expiration_ttl", String(options.expirationTtl));
    const form = new FormData();
    form.set("value", await new Response(value as BodyInit).blob());
    if (options.metadata !== undefined && options.metadata !== null) {
      form.set("metadata", JSON.stringify(options.metadata));
    }
    await this.#on.raw("PUT", `${this.#of("values", key)}?${query}`, { body: form });
  }

  /** Deletes a value, if there is one. */
  async delete(key: string): Promise<void> {
    await this.#on.raw("DELETE", this.#of("values", key));
  }

  /** Keys in their order. */
  async list<Metadata = unknown>(
    options: { prefix?: string | null; limit?: number; cursor?: string | null } = {},
  ): Promise<KvList<Metadata>> {
    refuseOptions("list", options, ["prefix", "limit", "cursor"]);
    const account = await this.#on.account();
    const query = {
      ...(options.prefix ? { prefix: options.prefix } : {}),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.cursor ? { cursor: options.cursor } : {}),
    };
    const call = this.#on.api.GET("/client/v4/accounts/{account}/storage/kv/namespaces/{namespace}/keys", {
      params: { path: { account, namespace: this.#id }, query },
    });
    const { result, result_info } = await this.#on.body(call);
    const keys = result as KvList<Metadata>["keys"];
    const done = result_info.cursor === "";
    return { keys, list_complete: done, ...(done ? {} : { cursor: result_info.cursor }), cacheStatus: null };
  }
}
