const WHY: Record<string, string> = {
  secret_text: "a secret, whose text no server gives away: name it in `overrides`",
  durable_object_namespace: "a class of Durable Objects, which only workers reach",
  service: "another worker: call it at its URL",
  analytics_engine: "a dataset, which only workers write to",
  ratelimit: "a rate limit, which only workers count for",
};

/** A stand-in that says what it is as soon as something is made of it. */
export function unreachable(name: string, type: string): unknown {
  const refuse = (): never => {
    throw new Error(`env.${name} is ${WHY[type] ?? `a binding of the type ${type}, which only workers have`}.`);
  };
  return new Proxy(Object.create(null) as object, {
    get(_, key) {
      // What the language and its consoles ask of any value is no use of it.
      if (typeof key === "symbol" || key === "then" || key === "constructor") {
        return key === Symbol.toPrimitive ? refuse : undefined;
      }
      return refuse();
    },
  });
}

/** Says that an option of a call has no effect over REST, rather than leave it out in silence. */
export function refuseOptions(call: string, options: object | undefined, known: string[]): void {
  for (const [name, value] of Object.entries(options ?? {})) {
    if (value === undefined || known.includes(name)) continue;
    throw new TypeError(`${call}: the option \`${name}\` is not available outside of a worker.`);
  }
}
