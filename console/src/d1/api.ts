import { all, api, result, type Schema } from "../api/client";
import { Fault } from "../api/error";
import { key, queries } from "../api/query";
import { upload } from "../ui/transfer";

export type Listed = Schema<"D1Listed">;
export type Database = Schema<"D1Database">;
export type Meta = Schema<"D1Meta">;

/** A value as SQLite gives it; a blob is a list of its bytes. */
export type Cell = null | number | string | number[];

export interface Outcome {
  columns: string[];
  rows: Cell[][];
  meta: Meta;
}

const of = (account: string, database: string) => ({ path: { account, database } });
const ONE = "/client/v4/accounts/{account}/d1/database/{database}";

export const databasesQuery = (account: string) => ({
  queryKey: key(account, "d1", "databases"),
  queryFn: (): Promise<Listed[]> =>
    all((query) => api.GET("/client/v4/accounts/{account}/d1/database", { params: { path: { account }, query } })),
});

export const databaseQuery = (account: string, database: string) => ({
  queryKey: key(account, "d1", database, "about"),
  queryFn: () => result(api.GET(ONE, { params: of(account, database) })),
});

/** Runs statements as one transaction. */
export async function run(account: string, database: string, sql: string, params: unknown[] = []): Promise<Outcome[]> {
  const outcomes = await result(
    api.POST("/client/v4/accounts/{account}/d1/database/{database}/raw", {
      params: of(account, database),
      body: { sql, params },
    }),
  );
  return outcomes.map(({ results, meta }) => ({ columns: results.columns, rows: results.rows as Cell[][], meta }));
}

export interface Table {
  name: string;
  type: "table" | "view";
  sql: string;
}

/** What users made: SQLite's and D1's own tables are left out. */
export const tablesQuery = (account: string, database: string) => ({
  queryKey: key(account, "d1", database, "tables"),
  queryFn: async (): Promise<Table[]> => {
    const sql =
      "SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' " +
      "AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name";
    const [found] = await run(account, database, sql);
    return (found?.rows ?? []).map(([name, type, text]) => ({
      name: String(name),
      type: type === "view" ? "view" : "table",
      sql: String(text ?? ""),
    }));
  },
});

/** A name as SQL has it, whatever is in it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

const PAGE = 500;

export const rowsQuery = (account: string, database: string, table: string) => ({
  queryKey: key(account, "d1", database, "rows", table),
  initialPageParam: 0,
  queryFn: async ({ pageParam: offset }: { pageParam: number }) => {
    const [page] = await run(account, database, `SELECT * FROM ${quoted(table)} LIMIT ${PAGE} OFFSET ?`, [offset]);
    return { columns: page?.columns ?? [], rows: page?.rows ?? [], next: offset + PAGE };
  },
  getNextPageParam: (last: { rows: unknown[]; next: number }) => (last.rows.length < PAGE ? undefined : last.next),
});

export const countQuery = (account: string, database: string, table: string) => ({
  queryKey: key(account, "d1", database, "count", table),
  queryFn: async () => Number((await run(account, database, `SELECT count(*) FROM ${quoted(table)}`))[0]?.rows[0]?.[0] ?? 0),
});

export async function bookmark(account: string, database: string): Promise<string> {
  const path = "/client/v4/accounts/{account}/d1/database/{database}/time_travel/bookmark";
  return (await result(api.GET(path, { params: of(account, database) }))).bookmark;
}

export const bookmarkQuery = (account: string, database: string) => ({
  queryKey: key(account, "d1", database, "bookmark"),
  queryFn: () => bookmark(account, database),
  staleTime: 0,
});

/** Restores, and gives the bookmark of what was there before. */
export async function restore(account: string, database: string, to: { bookmark: string } | { timestamp: string }): Promise<string> {
  const restored = await result(
    api.POST("/client/v4/accounts/{account}/d1/database/{database}/time_travel/restore", {
      params: { ...of(account, database), query: to },
    }),
  );
  await stale(account, database);
  return restored.previous_bookmark;
}

export function stale(account: string, database: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: key(account, "d1", database) });
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Makes a file of the database and says where it is, and what it is called. */
export async function exported(
  account: string,
  database: string,
  what: { no_data?: boolean; no_schema?: boolean },
): Promise<{ path: string; name: string }> {
  let current: string | undefined;
  for (let pause = 100; ; pause = Math.min(pause * 2, 2000)) {
    const answer = await result(
      api.POST("/client/v4/accounts/{account}/d1/database/{database}/export", {
        params: of(account, database),
        body: {
          output_format: "polling",
          dump_options: what,
          ...(current === undefined ? {} : { current_bookmark: current }),
        },
      }),
    );
    if (answer.result !== undefined) {
      const url = new URL(answer.result.signed_url, window.location.href);
      return { path: url.pathname + url.search, name: answer.result.filename };
    }
    if (answer.error !== undefined || answer.status === "error") throw new Fault(400, answer.error ?? "");
    current = answer.at_bookmark ?? undefined;
    await wait(pause);
  }
}

export type ImportStep = { at: "sum" | "sending" | "running"; share: number };

/** Runs a file's statements; gives how many they were. */
export async function imported(
  account: string,
  database: string,
  file: File,
  onStep: (step: ImportStep) => void,
): Promise<number> {
  const path = "/client/v4/accounts/{account}/d1/database/{database}/import";
  const params = of(account, database);
  onStep({ at: "sum", share: 0 });
  const etag = await md5Of(file, (share) => onStep({ at: "sum", share }));
  const begun = await result(api.POST(path, { params, body: { action: "init", etag } }));
  if (begun.filename === undefined) throw new Fault(400, begun.error ?? "");
  if (begun.upload_url !== undefined) {
    const url = new URL(begun.upload_url, window.location.href);
    await upload({ path: url.pathname + url.search, body: file, onProgress: (share) => onStep({ at: "sending", share }) });
  }
  onStep({ at: "running", share: 1 });
  let answer = await result(api.POST(path, { params, body: { action: "ingest", etag, filename: begun.filename } }));
  for (let pause = 100; ; pause = Math.min(pause * 2, 2000)) {
    if (answer.result !== undefined) return answer.result.num_queries;
    if (answer.error !== undefined || answer.status === "error") {
      throw new Fault(400, answer.error ?? answer.errors?.join(" ") ?? "");
    }
    await wait(pause);
    answer = await result(api.POST(path, { params, body: { action: "poll", current_bookmark: answer.at_bookmark ?? "" } }));
  }
}

/** The API names files by their MD5, which browsers do not have. */
async function md5Of(file: File, onProgress: (share: number) => void): Promise<string> {
  const [{ md5 }, { bytesToHex }] = await Promise.all([import("@noble/hashes/legacy.js"), import("@noble/hashes/utils.js")]);
  const sum = md5.create();
  const piece = 1 << 20;
  for (let at = 0; at < file.size; at += piece) {
    sum.update(new Uint8Array(await file.slice(at, at + piece).arrayBuffer()));
    onProgress(Math.min(1, (at + piece) / file.size));
  }
  return bytesToHex(sum.digest());
}
