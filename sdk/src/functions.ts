import type { Connection } from "./connection.js";
import type { operations, components } from "./schema.js";

/** What an operation takes as JSON. */
type Body<Id extends keyof operations> = operations[Id] extends {
  requestBody?: { content: { "application/json": infer T } };
}
  ? T
  : never;

/** What an operation gives as JSON. */
type Answer<Id extends keyof operations> = operations[Id] extends {
  responses: { 200: { content: { "application/json": infer T } } };
}
  ? T
  : never;

/** Functions in Node.js, Python and Go (`/api/v1/functions`). */
export class Functions {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  /** All of the account. */
  async list(): Promise<components["schemas"]["Function"][]> {
    return (await this.#on.body(this.#on.api.GET("/api/v1/functions"))).functions;
  }

  /** Makes one. */
  async create(wanted: Body<"createFunction">): Promise<components["schemas"]["Function"]> {
    return this.#on.body(this.#on.api.POST("/api/v1/functions", { body: wanted }));
  }

  /** One by its id. */
  async get(id: string): Promise<components["schemas"]["Function"]> {
    return this.#on.body(this.#on.api.GET("/api/v1/functions/{id}", { params: { path: { id } } }));
  }

  /** Changes what is named, and nothing else. */
  async update(id: string, changes: Body<"changeFunction">): Promise<components["schemas"]["Function"]> {
    return this.#on.body(this.#on.api.PUT("/api/v1/functions/{id}", { params: { path: { id } }, body: changes }));
  }

  /** Deletes one. */
  async delete(id: string): Promise<void> {
    await this.#on.body(this.#on.api.DELETE("/api/v1/functions/{id}", { params: { path: { id } } }));
  }

  /**
   * Calls one. What the function threw is not an exception here: `success` is false and `error` says what it was, as with
   * a timeout or too much memory.
   */
  async invoke(
    id: string,
    event?: unknown,
    context?: Record<string, unknown>,
  ): Promise<components["schemas"]["FunctionResult"]> {
    const call = this.#on.api.POST("/api/v1/functions/{id}/invoke", {
      params: { path: { id } },
      body: { event: event ?? null, ...(context === undefined ? {} : { context }) },
    });
    return this.#on.body(call);
  }

  /** What its calls come to. */
  async stats(id: string): Promise<Answer<"showFunctionStatistics">> {
    return this.#on.body(this.#on.api.GET("/api/v1/functions/{id}/stats", { params: { path: { id } } }));
  }

  /** Its latest calls, newest first. */
  async invocations(
    id: string,
    query: { limit?: number; offset?: number } = {},
  ): Promise<Answer<"listFunctionCalls">> {
    return this.#on.body(this.#on.api.GET("/api/v1/functions/{id}/invocations", { params: { path: { id }, query } }));
  }

  /** What its latest calls printed. */
  async logs(
    id: string,
    query: { limit?: number; offset?: number } = {},
  ): Promise<Answer<"listFunctionLogs">["logs"]> {
    const call = this.#on.api.GET("/api/v1/functions/{id}/logs", { params: { path: { id }, query } });
    return (await this.#on.body(call)).logs;
  }
}

/** Functions with versions and aliases (`/api/deploy`, `/api/rollback`). */
export class Deploys {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  /** All of the account. */
  async list(): Promise<components["schemas"]["DeployedFunction"][]> {
    return (await this.#on.body(this.#on.api.GET("/api/deploy"))).functions;
  }

  /** One with its versions. */
  async get(name: string): Promise<Answer<"showDeployedFunction">> {
    return this.#on.body(this.#on.api.GET("/api/deploy/{name}", { params: { path: { name } } }));
  }

  /** Makes a version, the latest from now on. */
  async deploy(name: string, wanted: Omit<Body<"deployFunction">, "runtime">): Promise<Answer<"deployFunction">> {
    const body = { runtime: "js" as const, ...wanted };
    return this.#on.body(this.#on.api.POST("/api/deploy/{name}", { params: { path: { name } }, body }));
  }

  /** Gives the traffic to a version. */
  async rollback(name: string, version: string): Promise<Answer<"rollBackFunction">> {
    return this.#on.body(this.#on.api.POST("/api/rollback/{name}", { params: { path: { name } }, body: { version } }));
  }

  /** Sends its processes away, all or a version's; the next request starts one. Gives the versions that ran. */
  async stop(name: string, version?: string): Promise<string[]> {
    const body = version === undefined ? {} : { version };
    return (await this.#on.body(this.#on.api.POST("/api/stop/{name}", { params: { path: { name } }, body }))).stopped;
  }

  /** Deletes it, or a version that is not the latest. */
  async delete(name: string, version?: string): Promise<void> {
    const query = version === undefined ? {} : { version };
    await this.#on.body(this.#on.api.DELETE("/api/deploy/{name}", { params: { path: { name }, query } }));
  }
}

/** Functions with a route below `/fn` (`/api/functions`). */
export class RoutedFunctions {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  /** All of the account. */
  async list(): Promise<components["schemas"]["NexoFunction"][]> {
    return (await this.#on.body(this.#on.api.GET("/api/functions"))).functions;
  }

  /** Makes one. */
  async create(wanted: Body<"createRoutedFunction">): Promise<components["schemas"]["NexoFunctionWithCode"]> {
    return this.#on.body(this.#on.api.POST("/api/functions", { body: wanted }));
  }

  /** One by its id. */
  async get(id: string): Promise<components["schemas"]["NexoFunctionWithCode"]> {
    return this.#on.body(this.#on.api.GET("/api/functions/{id}", { params: { path: { id } } }));
  }

  /** Changes what is named, and nothing else. */
  async update(
    id: string,
    changes: Body<"changeRoutedFunction">,
  ): Promise<components["schemas"]["NexoFunctionWithCode"]> {
    return this.#on.body(this.#on.api.PUT("/api/functions/{id}", { params: { path: { id } }, body: changes }));
  }

  /** Deletes one. */
  async delete(id: string): Promise<void> {
    await this.#on.body(this.#on.api.DELETE("/api/functions/{id}", { params: { path: { id } } }));
  }

  /** Sends it a request; its own route and `GET` where nothing is said. */
  async invoke(id: string, request: Body<"invokeRoutedFunction"> = {}): Promise<Answer<"invokeRoutedFunction">> {
    return this.#on.body(this.#on.api.POST("/api/functions/{id}/invoke", { params: { path: { id } }, body: request }));
  }

  /** What its requests come to. */
  async stats(id: string): Promise<Answer<"showRoutedFunctionStatistics">> {
    return this.#on.body(this.#on.api.GET("/api/functions/{id}/stats", { params: { path: { id } } }));
  }
}
