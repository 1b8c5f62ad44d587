import type { Connection } from "../connection.js";
import { HearthError } from "../error.js";
import type { components } from "../schema.js";

/** What a statement comes to. */
export interface D1Result<Row = Record<string, unknown>> {
  success: true;
  results: Row[];
  meta: components["schemas"]["D1Meta"];
}

interface Statement {
  sql: string;
  params: unknown[];
}

/** A value as the database takes it: what workers bind, in JSON. */
function bound(value: unknown): unknown {
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value instanceof ArrayBuffer) return Array.from(new Uint8Array(value));
  if (ArrayBuffer.isView(value)) {
    return Array.from(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  }
  if (Array.isArray(value) && value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256)) return value;
  throw new Error(`D1_TYPE_ERROR: Type '${typeof value}' not supported for value '${String(value)}'`);
}

function failed(error: unknown): never {
  if (error instanceof HearthError) throw new Error(`D1_ERROR: ${error.message}`, { cause: error });
  throw error;
}

/** A statement with its values. */
export class D1PreparedStatement {
  readonly #database: D1Database;
  readonly #sql: string;
  readonly #params: unknown[];

  constructor(database: D1Database, sql: string, params: unknown[] = []) {
    this.#database = database;
    this.#sql = sql;
    this.#params = params;
  }

  /** The same with values for its `?`. */
  bind(...values: unknown[]): D1PreparedStatement {
    return new D1PreparedStatement(this.#database, this.#sql, values.map(bound));
  }

  /** As it is sent. */
  statement(): Statement {
    return { sql: this.#sql, params: this.#params };
  }

  /** All rows. */
  async all<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    const [result] = await this.#database.query<Row>(this.statement());
    return result!;
  }

  /** The same as {@link all}. */
  run<Row = Record<string, unknown>>(): Promise<D1Result<Row>> {
    return this.all<Row>();
  }

  /** The first row, or one of its columns; null when there is none. */
  async first<T = Record<string, unknown>>(column?: string): Promise<T | null> {
    const row = (await this.all<Record<string, unknown>>()).results[0];
    if (row === undefined) return null;
    if (column === undefined) return row as T;
    if (!(column in row)) throw new Error(`D1_COLUMN_NOTFOUND: Column not found (${column})`);
    return row[column] as T;
  }

  /** Rows as lists of values, after the columns' names where they are asked for. */
  async raw<T = unknown[]>({ columnNames = false }: { columnNames?: boolean } = {}): Promise<T[]> {
    const { columns, rows } = await this.#database.raw(this.statement());
    return (columnNames ? [columns, ...rows] : rows) as T[];
  }
}

/** A D1 database, with the methods that workers have. */
export class D1Database {
  readonly #on: Connection;
  readonly #id: string;

  constructor(on: Connection, id: string) {
    this.#on = on;
    this.#id = id;
  }

  /** A statement. */
  prepare(sql: string): D1PreparedStatement {
    return new D1PreparedStatement(this, sql);
  }

  /** Runs statements in one transaction. */
  async batch<Row = Record<string, unknown>>(statements: D1PreparedStatement[]): Promise<D1Result<Row>[]> {
    return this.query<Row>({ batch: statements.map((statement) => statement.statement()) });
  }

  /** Runs SQL as it is. */
  async exec(sql: string): Promise<{ count: number; duration: number }> {
    const results = await this.query({ sql, params: [] });
    return { count: results.length, duration: results.reduce((sum, { meta }) => sum + meta.duration, 0) };
  }

  /** There is one copy of a database, so that a session sees what everybody does. */
  withSession(): D1Database {
    return this;
  }

  async query<Row>(statements: Statement | { batch: Statement[] }): Promise<D1Result<Row>[]> {
    const account = await this.#on.account();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/d1/database/{database}/query", {
      params: { path: { account, database: this.#id } },
      body: statements,
    });
    return (await this.#on.result(call).catch(failed)) as unknown as D1Result<Row>[];
  }

  async raw(statement: Statement): Promise<{ columns: string[]; rows: unknown[][] }> {
    const account = await this.#on.account();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/d1/database/{database}/raw", {
      params: { path: { account, database: this.#id } },
      body: statement,
    });
    const [first] = await this.#on.result(call).catch(failed);
    return first!.results;
  }
}
