import type { Connection } from "./connection.js";
import type { components } from "./schema.js";

/** API tokens of the account, with which S3 clients sign. */
export class Tokens {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  /** The account's tokens, without their texts. */
  async list(): Promise<components["schemas"]["Token"][]> {
    const account = await this.#on.account();
    return this.#on.all((query) =>
      this.#on.api.GET("/client/v4/accounts/{account}/tokens", { params: { path: { account }, query } }),
    );
  }

  /** Makes a token. Its text is `value` of the answer, and nowhere else. */
  async create(token: components["schemas"]["NewToken"]): Promise<components["schemas"]["MadeToken"]> {
    const account = await this.#on.account();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/tokens", { params: { path: { account } }, body: token });
    return this.#on.result(call);
  }

  /** Ends a token, by its id. */
  async delete(token: string): Promise<void> {
    const account = await this.#on.account();
    const call = this.#on.api.DELETE("/client/v4/accounts/{account}/tokens/{token}", {
      params: { path: { account, token } },
    });
    await this.#on.result(call);
  }
}
