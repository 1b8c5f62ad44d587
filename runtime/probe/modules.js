// The entry of a deploy's probe for workers made of modules: imports what was uploaded and says what it exports.
// "hearth:main" is replaced by the specifier of the upload's main module.
import * as uploaded from "hearth:main";
// Exported again, so that workerd judges the upload's named exports as it will when it serves.
export * from "hearth:main";
import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "cloudflare:workers";

const BASES = [
  [WorkerEntrypoint, "worker_entrypoint"],
  [DurableObject, "durable_object"],
  [WorkflowEntrypoint, "workflow"],
];

const isClass = (value) => typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));

// Names of the functions that an object has or inherits, without reading getters: those are the worker's own code.
function methods(object, end = Object.prototype) {
  const names = new Set();
  for (let at = object; at && at !== end && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (name !== "constructor" && typeof value === "function") names.add(name);
    }
  }
  return [...names];
}

function describe(name, value) {
  if (typeof value === "function") {
    const base = BASES.find(([base]) => value.prototype instanceof base);
    if (base) return { name, kind: base[1], handlers: methods(value.prototype, base[0].prototype) };
    return isClass(value) ? { name, kind: "class", handlers: methods(value.prototype) } : null;
  }
  if (value === null || typeof value !== "object") return null;
  const handlers = methods(value);
  return handlers.length ? { name, kind: "object", handlers } : null;
}

const found = Object.entries(uploaded).map(([name, value]) => describe(name, value)).filter(Boolean);
const report = {
  handlers: found.find(({ name }) => name === "default")?.handlers ?? [],
  entrypoints: found.filter(({ name }) => name !== "default"),
};

export default { fetch: () => Response.json(report) };
