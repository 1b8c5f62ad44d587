import type { Client } from "openapi-fetch";

import { Access } from "./access.js";
import { bindings, type BindingsOptions, type LocalBindings } from "./bindings/index.js";
import { Connection } from "./connection.js";
import { Deploys, Functions, RoutedFunctions } from "./functions.js";
import type { paths } from "./schema.js";
import { Templates } from "./templates.js";
import { Tokens } from "./tokens.js";
import { Workers } from "./workers.js";

/** Where the server is, and who calls. */
export interface HearthOptions {
  /**
   * The control host, such as `http://localhost:8787`. Default: `CLOUDFLARE_API_BASE_URL`, as wrangler and `hearth` read
   * it, with or without its `/client/v4`.
   */
  url?: string;
  /** An API token. Default: `CLOUDFLARE_API_TOKEN`. A server under `--dev` needs none. */
  token?: string;
  /**
   * The account's id, for workers and functions alike. Default: `CLOUDFLARE_ACCOUNT_ID`, else the first account that the
   * token is for.
   */
  account?: string;
  /** What makes the requests. Default: Node's. */
  fetch?: typeof globalThis.fetch;
}

/** A Hearth server. */
export class Hearth {
  /** Workers: deploy, versions, rollback, secrets. */
  readonly workers: Workers;
  /** Who may reach a worker from outside, and its access tokens. */
  readonly access: Access;
  /** Functions in Node.js, Python and Go. */
  readonly functions: Functions;
  /** Functions with versions and aliases (`/api/deploy`). */
  readonly deploys: Deploys;
  /** Functions with a route below `/fn` (`/api/functions`). */
  readonly routed: RoutedFunctions;
  /** Workers to begin with. */
  readonly templates: Templates;
  /** API tokens. */
  readonly tokens: Tokens;
  readonly #connection: Connection;

  constructor(options: HearthOptions = {}) {
    const environment = globalThis.process?.env ?? {};
    const url = options.url ?? environment["CLOUDFLARE_API_BASE_URL"];
    if (!url) throw new TypeError("Say where the server is: `url`, or CLOUDFLARE_API_BASE_URL in the environment.");
    const connection = new Connection(
      url.replace(/\/+$/, "").replace(/\/client\/v4$/, ""),
      options.token ?? environment["CLOUDFLARE_API_TOKEN"],
      options.account ?? environment["CLOUDFLARE_ACCOUNT_ID"],
      options.fetch ?? globalThis.fetch,
    );
    this.#connection = connection;
    this.workers = new Workers(connection);
    this.access = new Access(connection);
    this.functions = new Functions(connection);
    this.deploys = new Deploys(connection);
    this.routed = new RoutedFunctions(connection);
    this.templates = new Templates(connection);
    this.tokens = new Tokens(connection);
  }

  /**
   * Every operation of the server's OpenAPI document, typed by its path: for what has no method here.
   *
   * ```ts
   * const { data } = await hearth.api.GET("/client/v4/accounts/{account}/queues", { params: { path: { account } } });
   * ```
   */
  get api(): Client<paths> {
    return this.#connection.api;
  }

  /** The account's id. */
  account(): Promise<string> {
    return this.#connection.account();
  }

  /** The real bindings of a deployed worker, for code that runs on this machine. */
  bindings<Env = Record<string, unknown>>(options: BindingsOptions): Promise<LocalBindings<Env>> {
    return bindings<Env>(this.#connection, options);
  }
}
