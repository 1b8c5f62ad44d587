import type { Connection } from "./connection.js";
import type { components } from "./schema.js";

/** The template gallery. */
export class Templates {
  readonly #on: Connection;

  constructor(on: Connection) {
    this.#on = on;
  }

  /** What there is. */
  async list(): Promise<components["schemas"]["Template"][]> {
    return (await this.#on.body(this.#on.api.GET("/api/templates"))).templates;
  }

  /** One with its files. */
  async get(id: string): Promise<components["schemas"]["TemplateWithFiles"]> {
    return this.#on.body(this.#on.api.GET("/api/templates/{id}", { params: { path: { id } } }));
  }

  /** Makes a worker of one. */
  async deploy(id: string, name: string): Promise<{ name: string; template: string; url: string | null }> {
    const call = this.#on.api.POST("/api/templates/{id}/deploy", { params: { path: { id } }, body: { name } });
    return this.#on.body(call);
  }
}
