// What is other in one value than in another, by the path of each leaf.

export interface Change {
  /** `settings.limits.cpu_ms`; empty: the whole value. */
  path: string;
  /** As JSON; undefined: it was not there. */
  before: string | undefined;
  after: string | undefined;
}

function isNode(value: unknown): value is Record<string, unknown> | unknown[] {
  return typeof value === "object" && value !== null;
}

function shown(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The leaves that differ, in the order in which they are written. Null in the place of an object is nothing. */
export function diff(before: unknown, after: unknown, path = ""): Change[] {
  const [was, is] = [path === "" ? (before ?? undefined) : before, path === "" ? (after ?? undefined) : after];
  if (isNode(was) || isNode(is)) {
    if ((isNode(was) || was === undefined) && (isNode(is) || is === undefined)) {
      const [left, right] = [(was ?? {}) as Record<string, unknown>, (is ?? {}) as Record<string, unknown>];
      const names = [...new Set([...Object.keys(left), ...Object.keys(right)])];
      const below = names.flatMap((name) => diff(left[name], right[name], path === "" ? name : `${path}.${name}`));
      // An object with nothing in it that comes or goes is a leaf.
      if (below.length > 0 || (was !== undefined && is !== undefined)) return below;
    }
  }
  const [one, other] = [shown(was), shown(is)];
  return one === other ? [] : [{ path, before: one, after: other }];
}
