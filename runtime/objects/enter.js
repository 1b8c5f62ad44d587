// Stands beside a worker in its process and takes events for its Durable Objects from other processes. Hearth says in
// `props` which object: by its name if the caller knows it, so that the object's own id has the name too.
import { WorkerEntrypoint } from "cloudflare:workers";
import { passTo } from "./pass.js";

export class Objects extends WorkerEntrypoint {
  constructor(ctx, env) {
    super(ctx, env);
    const { namespace, id, name } = ctx.props;
    const objects = env[namespace];
    const object = objects.get(name === undefined ? objects.idFromString(id) : objects.idFromName(name));
    const fetch = (request) => object.fetch(request);
    const find = new Proxy(object, { get: (_, name) => (name === "hearth:fetch" ? fetch : object[name]) });
    return passTo(this, fetch, () => find);
  }
}

export default {};
