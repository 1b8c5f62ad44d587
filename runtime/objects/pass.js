// What stands for the object of another context: whatever is asked of it is asked of `find()`, a stub of that.
import { RpcTarget } from "cloudflare:workers";

export function passTo(self, fetch, find) {
  return new Proxy(self, {
    get(target, name) {
      if (name === "fetch") return fetch;
      return typeof name === "symbol" ? Reflect.get(target, name) : passed(find()[name]);
    },
  });
}

// workerd takes a stub's property for a result, and no path leads through it. Through an RPC target paths do lead.
function passed(property) {
  return new Proxy(() => {}, {
    getPrototypeOf: () => RpcTarget.prototype,
    getOwnPropertyDescriptor: () => undefined,
    get: (_, name) => (name === "then" ? property.then.bind(property) : passed(property[name])),
    apply: (_, self, args) => property(...args),
  });
}
