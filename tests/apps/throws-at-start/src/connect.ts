// A few lines that the bundle does not have in the same place,
// so that only a stack mapped through the source map
// names the right line.
interface Erased {
  at: "build time";
}

export function connect(when: string): never {
  throw new TypeError(`no database ${when}`);
}
