import type { Connection } from "./connection.js";
import type { components } from "./schema.js";

/** `open`: everybody; `token`: who shows one of the worker's access tokens; `internal`: other workers only. */
export type AccessRule = components["schemas"]["AccessRule"]["rule"];

/** An access token without its text. */
export type AccessToken = components["schemas"]["AccessToken"];

/** Who may reach a worker from outside. Workers are named by their name, what other APIs made by its id. */
export class Access {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  async #path(worker: string) {
    return { account: await this.#on.account(), worker };
  }

  /** The worker's rule. */
  async rule(worker: string): Promise<AccessRule> {
    const path = await this.#path(worker);
    const call = this.#on.api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/access", {
      params: { path },
    });
    return (await this.#on.result(call)).rule;
  }

  /** Changes the worker's rule. */
  async setRule(worker: string, rule: AccessRule): Promise<void> {
    const path = await this.#path(worker);
    const call = this.#on.api.PUT("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/access", {
      params: { path },
      body: { rule },
    });
    await this.#on.result(call);
  }

  /** The worker's access tokens, without their texts. */
  async tokens(worker: string): Promise<AccessToken[]> {
    const path = await this.#path(worker);
    const call = this.#on.api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/tokens", {
      params: { path },
    });
    return this.#on.result(call);
  }

  /** Makes an access token. Its text is `token` of the answer, and nowhere else. */
  async createToken(worker: string, name: string): Promise<components["schemas"]["MadeAccessToken"]> {
    const path = await this.#path(worker);
    const call = this.#on.api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/tokens", {
      params: { path },
      body: { name },
    });
    return this.#on.result(call);
  }

  /** Ends an access token, by its id. */
  async revokeToken(worker: string, token: string): Promise<void> {
    const path = { ...(await this.#path(worker)), token };
    const call = this.#on.api.DELETE("/client/v4/accounts/{account}/workers/scripts/{worker}/hearth/tokens/{token}", {
      params: { path },
    });
    await this.#on.result(call);
  }
}
