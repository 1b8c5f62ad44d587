import type { Connection } from "../connection.js";
import type { components } from "../schema.js";

type Status = components["schemas"]["InstanceStatus"];

/** An instance of a workflow. */
export class WorkflowInstance {
  readonly #on: Connection;
  readonly #workflow: string;

  constructor(
    on: Connection,
    workflow: string,
    readonly id: string,
  ) {
    this.#on = on;
    this.#workflow = workflow;
  }

  async #path() {
    return { account: await this.#on.account(), workflow: this.#workflow, instance: this.id };
  }

  /** How far it is. */
  async status(): Promise<{ status: Status; output: unknown; error: unknown }> {
    const path = await this.#path();
    const call = this.#on.api.GET("/client/v4/accounts/{account}/workflows/{workflow}/instances/{instance}", {
      params: { path },
    });
    const { status, output, error } = await this.#on.result(call);
    return { status, output, error };
  }

  async #become(status: "pause" | "resume" | "restart" | "terminate"): Promise<void> {
    const path = await this.#path();
    const call = this.#on.api.PATCH("/client/v4/accounts/{account}/workflows/{workflow}/instances/{instance}/status", {
      params: { path },
      body: { status },
    });
    await this.#on.result(call);
  }

  pause(): Promise<void> {
    return this.#become("pause");
  }

  resume(): Promise<void> {
    return this.#become("resume");
  }

  restart(): Promise<void> {
    return this.#become("restart");
  }

  terminate(): Promise<void> {
    return this.#become("terminate");
  }

  /** Sends it an event that it waits for. */
  async sendEvent({ type, payload }: { type: string; payload?: unknown }): Promise<void> {
    const { account, workflow, instance } = await this.#path();
    const call = this.#on.api.POST(
      "/client/v4/accounts/{account}/workflows/{workflow}/instances/{instance}/events/{event}",
      { params: { path: { account, workflow, instance, event: type } }, ...(payload === undefined ? {} : { body: payload }) },
    );
    await this.#on.result(call);
  }
}

/** A workflow, with the methods that workers have. */
export class Workflow {
  readonly #on: Connection;
  readonly #name: string;

  constructor(on: Connection, name: string) {
    this.#on = on;
    this.#name = name;
  }

  /** Starts an instance. */
  async create({ id, params }: { id?: string; params?: unknown } = {}): Promise<WorkflowInstance> {
    const account = await this.#on.account();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/workflows/{workflow}/instances", {
      params: { path: { account, workflow: this.#name } },
      body: { ...(id === undefined ? {} : { instance_id: id }), ...(params === undefined ? {} : { params }) },
    });
    return new WorkflowInstance(this.#on, this.#name, (await this.#on.result(call)).id);
  }

  /** An instance by its id. */
  async get(id: string): Promise<WorkflowInstance> {
    const instance = new WorkflowInstance(this.#on, this.#name, id);
    await instance.status();
    return instance;
  }
}
