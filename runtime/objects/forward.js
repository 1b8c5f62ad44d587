// The class of a namespace whose objects live in another process. An instance stands for one object and hands what it
// gets on to Hearth, over the service binding that has the class's name.
import { DurableObject } from "cloudflare:workers";
import { passTo } from "./pass.js";

const OBJECT = "X-Hearth-Object";
const FAILURE = "X-Hearth-Failure";

export function forward(binding) {
  return class extends DurableObject {
    constructor(ctx, env) {
      super(ctx, env);
      const { id } = ctx;
      const key = id.name === undefined ? `${id}` : `${id}.${encodeURIComponent(id.name)}`;
      const host = env[binding];
      const find = () => {
        // By this call Hearth learns which object. What follows is pipelined on it, and fails as it does.
        const found = host[key]();
        found.catch(() => {});
        return found;
      };
      return passTo(this, (request) => fetch(request, host, key, find), find);
    }
  };
}

// As a call, since HTTP carries no exception. Only a WebSocket needs HTTP.
async function fetch(request, host, key, find) {
  if (!request.headers.has("Upgrade")) return find()["hearth:fetch"](request);
  const forwarded = new Request(request);
  forwarded.headers.set(OBJECT, key);
  const response = await host.fetch(forwarded);
  const failure = response.headers.get(FAILURE);
  if (failure !== null) throw new Error(decodeURIComponent(failure));
  return response;
}
