import type { Connection } from "./connection.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];

/** A worker as a list shows it. */
export type Worker = Schemas["Script"];

/** A module: its text or bytes, whose kind follows from the name's ending, or with its media type. */
export type ModuleSource = string | Uint8Array | { content: string | Uint8Array; type: string };

/** What a worker is made of. */
export interface DeployOptions {
  /** Modules by their names, as imports write them. */
  modules: Record<string, ModuleSource>;
  /** The name of the module that exports the handlers. Default: the first one. */
  main?: string;
  /** Bindings by their names: a text is a variable; anything else is `{ type, … }`, as wrangler uploads it. */
  bindings?: Record<string, string | ({ type: string } & Record<string, unknown>)>;
  /** `YYYY-MM-DD`. Default: 2026-01-01, as the templates have it. */
  compatibilityDate?: string;
  compatibilityFlags?: string[];
  /** What the version is about. */
  message?: string;
  /** What the version is called. */
  tag?: string;
  /** Limits of the version. */
  limits?: Schemas["Limits"];
  /** Types of bindings that stay as the version before has them. Default: `secret_text`. */
  keepBindings?: string[];
  /** Further members of the upload's metadata: `migrations`, `observability`, … */
  metadata?: Record<string, unknown>;
  /** Whether it is served at a host of its own. Default: it is. */
  subdomain?: boolean;
}

/** A deployed worker. */
export interface Deployed {
  name: string;
  /** The version's id. */
  version: string;
  /** Where it is served; null where it has no host. */
  url: string | null;
  /** What loading it took, in milliseconds. */
  startupTimeMs: number;
}

/** A fixed day: what a worker means must not change by itself. */
const COMPATIBILITY_DATE = "2026-01-01";

const TYPES: Record<string, string> = {
  js: "application/javascript+module",
  mjs: "application/javascript+module",
  cjs: "application/javascript",
  json: "application/json",
  txt: "text/plain",
  html: "text/plain",
  sql: "text/plain",
  wasm: "application/wasm",
  py: "text/x-python",
};

function part(name: string, source: ModuleSource): Blob {
  const isPlain = typeof source === "string" || source instanceof Uint8Array;
  const content = isPlain ? source : source.content;
  const ending = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  const type = isPlain ? (TYPES[ending] ?? "application/octet-stream") : source.type;
  return new Blob([content as BlobPart], { type });
}

/** Workers. */
export class Workers {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  /** All workers, of every API of the server, each with its `kind`. */
  async list(): Promise<Worker[]> {
    const account = await this.#on.account();
    return this.#on.all((query) =>
      this.#on.api.GET("/client/v4/accounts/{account}/workers/scripts", { params: { path: { account }, query } }),
    );
  }

  /** Uploads a worker, which gets all traffic at once. */
  async deploy(name: string, options: DeployOptions): Promise<Deployed> {
    const result = (await this.#upload("PUT", name, "", options)) as Schemas["UploadedScript"];
    const account = await this.#on.account();
    const enabled = options.subdomain ?? true;
    const call = this.#on.api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/subdomain", {
      params: { path: { account, worker: name } },
      body: { enabled },
    });
    const { url } = await this.#on.result(call);
    return { name, version: result.deployment_id, url: enabled ? url : null, startupTimeMs: result.startup_time_ms };
  }

  /** Uploads a version that waits for {@link split}. */
  async upload(name: string, options: Omit<DeployOptions, "subdomain">): Promise<Schemas["Version"]> {
    return (await this.#upload("POST", name, "/versions", options)) as Schemas["Version"];
  }

  async #upload(method: string, name: string, below: string, options: DeployOptions): Promise<unknown> {
    const names = Object.keys(options.modules);
    const main = options.main ?? names[0];
    if (main === undefined) throw new TypeError("A worker needs a module.");
    if (!names.includes(main)) throw new TypeError(`The main module ${JSON.stringify(main)} is none of the modules.`);
    const bindings = Object.entries(options.bindings ?? {}).map(([binding, value]) =>
      typeof value === "string" ? { name: binding, type: "plain_text", text: value } : { ...value, name: binding },
    );
    const annotations = {
      ...(options.message === undefined ? {} : { "workers/message": options.message }),
      ...(options.tag === undefined ? {} : { "workers/tag": options.tag }),
    };
    const metadata = {
      ...options.metadata,
      main_module: main,
      bindings,
      compatibility_date: options.compatibilityDate ?? COMPATIBILITY_DATE,
      compatibility_flags: options.compatibilityFlags ?? [],
      keep_bindings: options.keepBindings ?? ["secret_text"],
      annotations,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    };
    const form = new FormData();
    form.set("metadata", new Blob([JSON.stringify(metadata)], { type: "application/json" }), "metadata.json");
    for (const [module, source] of Object.entries(options.modules)) form.set(module, part(module, source), module);
    const path = `workers/scripts/${encodeURIComponent(name)}${below}`;
    const response = await this.#on.raw(method, path, { body: form });
    return ((await response.json()) as { result: unknown }).result;
  }

  /** The settings and bindings of the newest version; secrets without their texts. */
  async settings(name: string): Promise<Schemas["Settings"]> {
    const account = await this.#on.account();
    const call = this.#on.api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/settings", {
      params: { path: { account, worker: name } },
    });
    return this.#on.result(call);
  }

  /** Deletes a worker. `force`: though others bind it. */
  async delete(name: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    const account = await this.#on.account();
    const call = this.#on.api.DELETE("/client/v4/accounts/{account}/workers/scripts/{worker}", {
      params: { path: { account, worker: name }, query: { force } },
    });
    await this.#on.result(call);
  }

  /** Versions, newest first. */
  async versions(name: string): Promise<Schemas["Version"][]> {
    const account = await this.#on.account();
    const call = this.#on.api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/versions", {
      params: { path: { account, worker: name }, query: { per_page: 1000 } },
    });
    return (await this.#on.result(call)).items;
  }

  /** Deployments, newest first: the first one serves. */
  async deployments(name: string): Promise<Schemas["Deployment"][]> {
    const account = await this.#on.account();
    const call = this.#on.api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/deployments", {
      params: { path: { account, worker: name }, query: { per_page: 1000 } },
    });
    return (await this.#on.result(call)).deployments;
  }

  /** Divides the traffic between versions: percentages by ids, which come to 100. */
  async split(
    name: string,
    shares: Record<string, number>,
    { message, force = false }: { message?: string; force?: boolean } = {},
  ): Promise<Schemas["Deployment"]> {
    const account = await this.#on.account();
    const versions = Object.entries(shares).map(([version_id, percentage]) => ({ version_id, percentage }));
    const call = this.#on.api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/deployments", {
      params: { path: { account, worker: name }, query: { force } },
      body: {
        strategy: "percentage",
        versions,
        ...(message === undefined ? {} : { annotations: { "workers/message": message } }),
      },
    });
    return this.#on.result(call);
  }

  /**
   * Gives all traffic to an older version: the one that is named, else the one that was deployed before.
   * `force`: though secrets have changed since.
   */
  async rollback(
    name: string,
    { version, message, force }: { version?: string; message?: string; force?: boolean } = {},
  ): Promise<Schemas["Deployment"]> {
    const to = version ?? (await this.#before(name));
    return this.split(name, { [to]: 100 }, { message: message ?? `Rollback to ${to}`, ...(force ? { force } : {}) });
  }

  async #before(name: string): Promise<string> {
    const [now, ...older] = await this.deployments(name);
    const serving = new Set(now?.versions.map((share) => share.version_id));
    for (const deployment of older) {
      const other = deployment.versions.find((share) => !serving.has(share.version_id));
      if (other !== undefined) return other.version_id;
    }
    throw new Error(`No other version of ${name} was deployed before; name one with \`version\`.`);
  }

  /** Sets a secret, in a version that is deployed at once. */
  async putSecret(name: string, secret: string, text: string): Promise<void> {
    const account = await this.#on.account();
    const call = this.#on.api.PUT("/client/v4/accounts/{account}/workers/scripts/{worker}/secrets", {
      params: { path: { account, worker: name } },
      body: { name: secret, text, type: "secret_text" },
    });
    await this.#on.result(call);
  }

  /** Removes a secret, in a version that is deployed at once. */
  async deleteSecret(name: string, secret: string): Promise<void> {
    const account = await this.#on.account();
    const call = this.#on.api.DELETE("/client/v4/accounts/{account}/workers/scripts/{worker}/secrets/{secret}", {
      params: { path: { account, worker: name, secret } },
    });
    await this.#on.result(call);
  }
}
