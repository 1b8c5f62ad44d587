/**
 * The SDK of a Hearth server: deploy and manage calls with the types of its OpenAPI document, and {@link Hearth.bindings},
 * which gives code that runs on this machine the real bindings of a deployed worker.
 */
export { Hearth, type HearthOptions } from "./client.js";
export { HearthError, type Message } from "./error.js";
export type { paths, components, operations } from "./schema.js";
export type { Access, AccessRule, AccessToken } from "./access.js";
export type { Deployed, DeployOptions, ModuleSource, Worker } from "./workers.js";
export type { BindingsOptions, LocalBindings } from "./bindings/index.js";
export type { KvNamespace } from "./bindings/kv.js";
export type { R2Bucket, R2Object, R2ObjectBody } from "./bindings/r2.js";
export type { D1Database, D1PreparedStatement, D1Result } from "./bindings/d1.js";
export type { Queue } from "./bindings/queue.js";
export type { Workflow, WorkflowInstance } from "./bindings/workflow.js";
