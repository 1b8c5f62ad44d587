import createClient, { type Client } from "openapi-fetch";

import { HearthError } from "./error.js";
import type { paths } from "./schema.js";

/** What a call of {@link Client} comes to. */
interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Paths that name no account: those calls act in the one that a header names. */
const WITHOUT_ACCOUNT = /^\/(api\/(v1\/functions|functions|deploy|rollback|stop|templates)|stats)(\/|$)/;

/** A server, who calls it, and for which account. */
export class Connection {
  /** Every operation of the document, by its path. */
  readonly api: Client<paths>;
  #account: Promise<string> | undefined;

  constructor(
    readonly url: string,
    readonly token: string | undefined,
    account: string | undefined,
    readonly fetch: typeof globalThis.fetch,
  ) {
    this.api = createClient<paths>({ baseUrl: url, fetch, headers: this.headers() });
    this.#account = account === undefined ? undefined : Promise.resolve(account);
    this.api.use({
      onRequest: async ({ request, schemaPath }) => {
        if (WITHOUT_ACCOUNT.test(schemaPath) && !request.headers.has("hearth-account")) {
          request.headers.set("hearth-account", await this.account());
        }
      },
    });
  }

  private headers(): Record<string, string> {
    return this.token === undefined ? {} : { authorization: `Bearer ${this.token}` };
  }

  /** The account's id: the one that was named, else the first that the token is for. */
  account(): Promise<string> {
    this.#account ??= this.firstAccount();
    return this.#account;
  }

  private async firstAccount(): Promise<string> {
    try {
      const accounts = await this.result(this.api.GET("/client/v4/accounts", { params: { query: { per_page: 1 } } }));
      const first = accounts[0];
      if (first === undefined) throw new Error("The token is for no account; name one with `account`.");
      return first.id;
    } catch (error) {
      this.#account = undefined;
      throw error;
    }
  }

  /** The body of a call that went well. */
  async body<T>(call: Promise<Outcome<T>>): Promise<T> {
    const { data, error, response } = await call;
    if (!response.ok) throw new HearthError(response.status, error, response.url);
    return data as T;
  }

  /** The result in Cloudflare's envelope of a call that went well. */
  async result<T>(call: Promise<Outcome<{ result: T }>>): Promise<T> {
    return (await this.body(call)).result;
  }

  /** All entries of a list that comes in pages. */
  async all<T>(
    page: (query: { page: number; per_page: number }) => Promise<
      Outcome<{ result: T[]; result_info: { total_count: number } }>
    >,
  ): Promise<T[]> {
    const items: T[] = [];
    for (let number = 1; ; number += 1) {
      const { result, result_info } = await this.body(page({ page: number, per_page: 1000 }));
      items.push(...result);
      if (result.length === 0 || items.length >= result_info.total_count) return items;
    }
  }

  /** A call that is not JSON both ways: contents, and forms. `path` is below the account, its segments encoded. */
  async raw(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const url = `${this.url}/client/v4/accounts/${await this.account()}/${path}`;
    const headers = new Headers(init.headers);
    for (const [name, value] of Object.entries(this.headers())) headers.set(name, value);
    const response = await this.fetch(url, { ...init, method, headers });
    if (response.ok) return response;
    const text = await response.text();
    let body: unknown = text;
    try {
      body = JSON.parse(text);
    } catch {
      // Text is what it says.
    }
    throw new HearthError(response.status, body, `${method} ${url}`);
  }
}
