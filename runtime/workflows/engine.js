// Stands beside a worker that has workflows and runs their instances. The engine is workerd's own (`workflows.js`, which
// it brings with it); here is what Hearth adds: an index of the instances of each workflow, since an engine's object knows
// only itself, and what the API shows of one.
import { DurableObject } from "cloudflare:workers";
import * as workerd from "workerd.js";

const ENDED = new Set(["complete", "errored", "terminated"]);
// Statuses in which no code of the instance runs.
const STILL = new Set([...ENDED, "paused", "waiting"]);
const AT_ONCE = 32;
// How far ahead the alarm of an instance is at most while its code runs.
const BEAT_MS = 10_000;
// After a restart all that were due meanwhile are: so many of them begin at once, and each further one so much later.
const TURN_MS = 4;
// How often Hearth hears at most that something runs.
const HEARD_MS = 5_000;

let turn = 0;
let heard = 0;

// How long who is woken now waits for its turn.
function untilTurn() {
  const now = Date.now();
  turn = Math.max(turn, now - AT_ONCE * TURN_MS) + TURN_MS;
  return Math.max(turn - now, 0);
}

// An instance. Where its process is killed, it goes on when its alarm wakes it: that starts the worker too, if need be. The
// engine itself sets the alarm up to ten minutes ahead while code runs, and none between a wait's end and the next step.
export class Engine extends workerd.Engine {
  // When the alarm is that is set, as far as this process knows, and the last one that the engine asked for.
  #due = Infinity;
  #asked = Infinity;
  #setAlarm;

  constructor(ctx, env) {
    super(ctx, env);
    const { storage } = ctx;
    this.#setAlarm = storage.setAlarm.bind(storage);
    const deleteAlarm = storage.deleteAlarm.bind(storage);
    storage.setAlarm = (at) => {
      this.#asked = at;
      this.#arm(this.#runs ? Math.min(at, Date.now() + BEAT_MS) : at);
    };
    storage.deleteAlarm = () => {
      this.#due = Infinity;
      return deleteAlarm();
    };
  }

  get #meta() {
    return this.ctx.storage.kv.get("meta");
  }

  get #runs() {
    const meta = this.#meta;
    return meta !== undefined && !STILL.has(meta.status);
  }

  // The earliest stays; one that is set again when it is due would come later.
  #arm(at) {
    if (this.#due <= at) return;
    this.#due = at;
    this.#setAlarm(at);
  }

  // What the instance waited for may have come: its code goes on before its status says so.
  #stirred() {
    const meta = this.#meta;
    if (!meta || ENDED.has(meta.status) || meta.status === "paused" || meta.dormant > Date.now()) return;
    this.#arm(Date.now() + BEAT_MS);
  }

  async alarm() {
    // Not yet woken in this process.
    if (this.#asked === Infinity) await scheduler.wait(untilTurn());
    const ended = this.#asked <= Date.now();
    this.#due = this.#asked = Infinity;
    await super.alarm();
    if (ended || this.#due === Infinity) this.#stirred();
    if (this.#runs && heard + HEARD_MS < Date.now()) {
      heard = Date.now();
      // Hearth's process may be about to end; the next beat tells the next one.
      await this.env.HEARTH.fetch("http://hearth/running", { method: "POST" }).catch(() => {});
    }
  }

  sendEvent(event) {
    super.sendEvent(event);
    this.#stirred();
  }

  resume() {
    super.resume();
    this.#stirred();
  }

  restart(options) {
    super.restart(options);
    this.#stirred();
  }

  async terminate(options) {
    // It may have to roll back, which a process that is killed leaves to the next alarm.
    if (this.#meta && !ENDED.has(this.#meta.status)) this.#arm(Date.now() + BEAT_MS);
    await super.terminate(options);
  }

  // Its record, the history of its steps, and the events it waited for by the name of the step; null when there is none.
  describe() {
    if (!this.exists()) return null;
    const { kv } = this.ctx.storage;
    const waits = [...kv.list({ prefix: "s:waitForEvent:" })].map(([, step]) => step);
    return {
      record: kv.get("meta"),
      history: [...kv.list({ prefix: "l:" })].map(([, event]) => event),
      events: Object.fromEntries(waits.map(({ name, count, value }) => [`${name}-${count}`, value])),
    };
  }

  // Its status now; null when there is none.
  brief() {
    if (!this.exists()) return null;
    const { kv } = this.ctx.storage;
    const { status, expires = null } = kv.get("meta");
    const last = kv.get(`l:${String(kv.get("logs")).padStart(12, "0")}`);
    return { status, modified: last.timestamp, expires };
  }
}

// The instances of one workflow. What has ended keeps its status here; who still runs is asked.
export class Index extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS instances (
         id TEXT PRIMARY KEY, number INTEGER NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL,
         status TEXT NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL, expires INTEGER
       ) WITHOUT ROWID;
       CREATE UNIQUE INDEX IF NOT EXISTS by_number ON instances (number);
       CREATE INDEX IF NOT EXISTS running ON instances (number) WHERE status NOT IN ('complete', 'errored', 'terminated')`,
    );
  }

  // Whether it was not there before.
  add(id, version, source) {
    const now = Date.now();
    const { rowsWritten } = this.ctx.storage.sql.exec(
      `INSERT OR IGNORE INTO instances
       VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM instances), ?, ?, 'queued', ?, ?, NULL)`,
      id, now, now, version, source,
    );
    return rowsWritten > 0;
  }

  remove(ids) {
    for (const id of ids) this.ctx.storage.sql.exec("DELETE FROM instances WHERE id = ?", id);
  }

  set(id, { status, modified, expires = null }) {
    this.ctx.storage.sql.exec(
      "UPDATE instances SET status = ?, modified = ?, expires = ? WHERE id = ?",
      status, modified, expires, id,
    );
  }

  // Those that have ended are deleted after their retention, by themselves.
  #forget() {
    this.ctx.storage.sql.exec("DELETE FROM instances WHERE expires <= ?", Date.now());
  }

  find(id) {
    return this.ctx.storage.sql.exec("SELECT version, source FROM instances WHERE id = ?", id).toArray()[0] ?? null;
  }

  // Ids of those that had not ended when last asked, the oldest first, beginning after a number.
  running(after, limit) {
    return this.ctx.storage.sql
      .exec(
        `SELECT id, number FROM instances
         WHERE status NOT IN ('complete', 'errored', 'terminated') AND number > ? ORDER BY number LIMIT ?`,
        after, limit,
      )
      .toArray();
  }

  list({ status = null, from = null, to = null, ascending = false, limit, offset }) {
    const matches = "(?1 IS NULL OR status = ?1) AND (?2 IS NULL OR created >= ?2) AND (?3 IS NULL OR created <= ?3)";
    this.#forget();
    const { sql } = this.ctx.storage;
    const order = ascending ? "ASC" : "DESC";
    return {
      instances: sql
        .exec(
          `SELECT id, created, modified, status, version, source FROM instances
           WHERE ${matches} ORDER BY number ${order} LIMIT ?4 OFFSET ?5`,
          status, from, to, limit, offset,
        )
        .toArray(),
      total: sql.exec(`SELECT count(*) AS total FROM instances WHERE ${matches}`, status, from, to).one().total,
    };
  }

  clear() {
    this.ctx.storage.sql.exec("DELETE FROM instances");
  }

  counts() {
    this.#forget();
    return this.ctx.storage.sql.exec("SELECT status, count(*) AS count FROM instances GROUP BY status").toArray();
  }
}

// The API that the worker's binding speaks.
export class WorkflowBinding extends workerd.WorkflowBinding {
  get #index() {
    return this.env.INDEX.getByName(this.ctx.props.workflow);
  }

  // The index comes first: an instance that is not in it could be neither listed nor ended.
  async create(options = {}) {
    const id = "id" in options ? options.id : crypto.randomUUID();
    const entry = [String(id), this.env.VERSION, this.ctx.props.source ?? "binding"];
    const added = await this.#index.add(...entry);
    try {
      const created = await super.create({ ...options, id });
      if (!added) {
        // Of one that was there before, and whose retention had ended.
        await this.#index.remove([id]);
        await this.#index.add(...entry);
      }
      return created;
    } catch (error) {
      if (added) await this.#index.remove([String(id)]);
      throw error;
    }
  }

  async restart(id, options) {
    await super.restart(id, options);
    await this.#index.set(id, { status: "queued", modified: Date.now() });
  }

  async deleteInstance(id) {
    await super.deleteInstance(id);
    await this.#index.remove([id]);
  }

  async deleteBatch(options) {
    const done = await super.deleteBatch(options);
    await this.#index.remove(done.deleted.map(({ id }) => id));
    return done;
  }
}

// What Hearth's own API asks: a POST to `/workflows/<operation>` with the workflow and the operation's arguments.
class Operations {
  #env;
  #workflow;
  #binding;

  constructor(env, ctx, workflow) {
    this.#env = env;
    this.#workflow = workflow;
    this.#binding = ctx.exports.WorkflowBinding({ props: { workflow, source: "api" } });
  }

  get #index() {
    return this.#env.INDEX.getByName(this.#workflow);
  }

  #instance(id) {
    return this.#env[`workflow:${this.#workflow}`].getByName(id);
  }

  // Writes down how those ended that ran when they were last asked, and forgets those that are gone.
  async #refresh(act = () => {}) {
    for (let after = 0; ; ) {
      const page = await this.#index.running(after, AT_ONCE);
      if (page.length === 0) return;
      after = page.at(-1).number;
      await Promise.all(page.map(({ id }) => this.#look(id, act)));
    }
  }

  async #look(id, act) {
    let now = await this.#instance(id).brief();
    if (now && !ENDED.has(now.status)) {
      await act(id, now.status);
      now = await this.#instance(id).brief();
    }
    if (now) await this.#index.set(id, now);
    else await this.#index.remove([id]);
  }

  async create({ id, params, retention }) {
    const options = { params, retention };
    if (id !== undefined) options.id = id;
    return this.#binding.create(options);
  }

  async createBatch({ instances }) {
    return this.#binding.createBatch({ instances });
  }

  async list(options) {
    await this.#refresh();
    return this.#index.list(options);
  }

  async counts() {
    await this.#refresh();
    return this.#index.counts();
  }

  async describe({ id }) {
    const [found, listed] = await Promise.all([this.#instance(id).describe(), this.#index.find(id)]);
    return found && { ...found, ...listed };
  }

  async pause({ id }) {
    await this.#binding.pause(id);
  }

  async resume({ id }) {
    await this.#binding.resume(id);
  }

  async restart({ id, from }) {
    await this.#binding.restart(id, from && { from });
  }

  async terminate({ id, rollback }) {
    await this.#binding.terminate(id, rollback ? { rollback: true } : undefined);
  }

  // All that run, or all of one status.
  async terminateAll({ status }) {
    await this.#refresh(async (id, now) => {
      if (status === undefined || status === now) await this.#binding.terminate(id);
    });
  }

  // The workflow is about to be deleted.
  async clear() {
    await this.terminateAll({});
    await this.#index.clear();
  }

  async event({ id, type, payload }) {
    await this.#binding.sendEvent(id, { type, payload });
  }

  async delete({ instances }) {
    return this.#binding.deleteBatch({ instances });
  }
}

const OPERATIONS = new Set(Object.getOwnPropertyNames(Operations.prototype).filter((name) => name !== "constructor"));

// A value of a worker may be what JSON is not.
const plain = (_key, value) =>
  typeof value === "bigint" ? value.toString()
  : value instanceof Error ? { name: value.name, message: value.message, stack: value.stack }
  : value instanceof Map || value instanceof Set ? [...value]
  : value;

export default {
  async fetch(request, env, ctx) {
    const operation = new URL(request.url).pathname.split("/").at(-1);
    if (!OPERATIONS.has(operation)) return new Response("no such operation", { status: 404 });
    const { workflow, ...options } = await request.json();
    try {
      const result = await new Operations(env, ctx, workflow)[operation](options);
      return new Response(JSON.stringify({ result: result ?? null }, plain));
    } catch (error) {
      return Response.json({ error: String(error?.message ?? error) });
    }
  },
};
