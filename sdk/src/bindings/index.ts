/**
 * The bindings of a deployed worker as objects of this process: each call goes to the server's REST API, so what is read
 * and written is the worker's real data.
 */
import type { Connection } from "../connection.js";
import type { components } from "../schema.js";
import { D1Database } from "./d1.js";
import { KvNamespace } from "./kv.js";
import { Queue } from "./queue.js";
import { R2Bucket } from "./r2.js";
import { unreachable } from "./unreachable.js";
import { Workflow } from "./workflow.js";

/** Whose bindings. */
export interface BindingsOptions {
  /** The deployed worker. */
  worker: string;
  /** What `env` has in place of the worker's own: its secrets, which no server gives away, or stand-ins. */
  overrides?: Record<string, unknown>;
}

/** What a worker would be given. */
export interface LocalBindings<Env> {
  /**
   * `env`, as the worker has it: variables, KV, R2, D1, queues, workflows. What cannot be reached from outside of a worker
   * is there too, and says so when it is used.
   */
  env: Env;
  /** Names of the bindings that cannot be used from here. */
  unreachable: string[];
}

type Binding = components["schemas"]["Binding"];

/** What a binding is here; undefined when it cannot be reached. */
function local(on: Connection, binding: Binding): { value: unknown } | undefined {
  const text = (key: string) => String(binding[key]);
  switch (binding.type) {
    case "plain_text":
      return { value: binding["text"] };
    case "json":
      return { value: binding["json"] };
    case "kv_namespace":
      return { value: new KvNamespace(on, text("namespace_id")) };
    case "r2_bucket":
      return { value: new R2Bucket(on, text("bucket_name")) };
    case "d1":
      return { value: new D1Database(on, text("id")) };
    case "queue":
      return { value: new Queue(on, text("queue_name"), binding["queue_id"] as string | undefined) };
    case "workflow":
      return { value: new Workflow(on, text("workflow_name")) };
    default:
      return undefined;
  }
}

/** The bindings of the newest version of a worker. */
export async function bindings<Env>(on: Connection, options: BindingsOptions): Promise<LocalBindings<Env>> {
  const account = await on.account();
  const call = on.api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/settings", {
    params: { path: { account, worker: options.worker } },
  });
  const settings = await on.result(call);
  const env: Record<string, unknown> = {};
  const missing: string[] = [];
  for (const binding of settings.bindings) {
    if (options.overrides !== undefined && binding.name in options.overrides) continue;
    const found = local(on, binding);
    if (found === undefined) missing.push(binding.name);
    env[binding.name] = found === undefined ? unreachable(binding.name, binding.type) : found.value;
  }
  return { env: { ...env, ...options.overrides } as Env, unreachable: missing };
}
