// Plans of statements, as SQLite explains them.
import type { Cell } from "./api";

/** The statements of a text, by the editor's own parser of SQL. */
export async function statements(text: string): Promise<string[]> {
  const { SQLite } = await import("@codemirror/lang-sql");
  const found: string[] = [];
  for (let node = SQLite.language.parser.parse(text).topNode.firstChild; node !== null; node = node.nextSibling) {
    if (node.name === "Statement") found.push(text.slice(node.from, node.to));
  }
  return found;
}

/** Rows of `EXPLAIN QUERY PLAN` (id, parent, unused, detail) as an indented tree. */
export function treeOf(rows: Cell[][]): string {
  const depths = new Map<Cell, number>();
  return rows
    .map(([id, parent, , detail]) => {
      const depth = (depths.get(parent ?? 0) ?? -1) + 1;
      depths.set(id ?? 0, depth);
      return `${"   ".repeat(depth)}${depth > 0 ? "└─ " : ""}${String(detail)}`;
    })
    .join("\n");
}
