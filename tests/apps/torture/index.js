// Writes number `n` of a writer, in one of the ways that there are, and says what stands at the writer's place. Every
// write leaves a state that depends on nothing but `n`, so that what is found says which writes took effect.

const PART = 5 * 1024 * 1024;
const LARGE = 300_000;
const odd = (n) => n % 2 === 1;

const text = (n, padding = 0) => `${n} ${"x".repeat(padding)}`;

// The number of a text that is whole.
function number(found, padding = 0) {
  if (found === null) return "nothing";
  const n = parseInt(found, 10);
  return found === text(n, padding) ? `${n}` : `torn: ${found.length} ${found.slice(0, 40)}`;
}

// Several values that are written together.
const same = (values) => (values.every((value) => value === values[0]) ? values[0] : `torn: ${values}`);

const row = (db, w) => db.prepare("SELECT n FROM numbers WHERE id = ?").bind(w).first("n");
const set = (db, id, n) => db.prepare("INSERT OR REPLACE INTO numbers (id, n) VALUES (?, ?)").bind(id, n);

const ways = {
  kv_small: {
    write: ({ KV }, w, n) => KV.put(w, text(n)),
    read: async ({ KV }, w) => number(await KV.get(w)),
  },
  kv_large: {
    write: ({ KV }, w, n) => KV.put(w, text(n, LARGE)),
    read: async ({ KV }, w) => number(await KV.get(w), LARGE),
  },
  kv_delete: {
    write: ({ KV }, w, n) => (odd(n) ? KV.put(w, text(n)) : KV.delete(w)),
    read: async ({ KV }, w) => number(await KV.get(w)),
  },
  // Written by REST.
  kv_bulk: {
    read: async ({ KV }, w) => {
      const found = await KV.get([`${w}-a`, `${w}-b`, `${w}-c`]);
      return same([...found.values()].map((value) => value ?? "nothing"));
    },
  },
  r2_small: {
    write: ({ R2 }, w, n) => R2.put(w, text(n)),
    read: async ({ R2 }, w) => number((await (await R2.get(w))?.text()) ?? null),
  },
  r2_large: {
    write: ({ R2 }, w, n) => R2.put(w, text(n, LARGE)),
    read: async ({ R2 }, w) => number((await (await R2.get(w))?.text()) ?? null, LARGE),
  },
  r2_delete: {
    write: ({ R2 }, w, n) => (odd(n) ? R2.put(w, text(n, LARGE)) : R2.delete(w)),
    read: async ({ R2 }, w) => number((await (await R2.get(w))?.text()) ?? null, LARGE),
  },
  r2_conditional: {
    write: async ({ R2 }, w, n) => {
      const etag = (await R2.head(w))?.etag;
      const onlyIf = etag ? { etagMatches: etag } : { etagDoesNotMatch: "*" };
      if ((await R2.put(w, text(n), { onlyIf })) === null) throw new Error("the condition did not hold");
      // What was replaced cannot be replaced again.
      if (etag && (await R2.put(w, "wrong", { onlyIf })) !== null) throw new Error("a condition held twice");
    },
    read: async ({ R2 }, w) => number((await (await R2.get(w))?.text()) ?? null),
  },
  r2_multipart: {
    write: async ({ R2 }, w, n) => {
      const upload = await R2.createMultipartUpload(w);
      const parts = [
        await upload.uploadPart(1, new Uint8Array(PART).fill(n % 251)),
        await upload.uploadPart(2, text(n)),
      ];
      await upload.complete(parts);
    },
    read: async ({ R2 }, w) => {
      const object = await R2.get(w);
      if (object === null) return "nothing";
      const bytes = new Uint8Array(await object.arrayBuffer());
      const tail = number(new TextDecoder().decode(bytes.subarray(PART)));
      const whole = bytes.subarray(0, PART).every((byte) => byte === Number(tail) % 251);
      return whole ? tail : `torn: ${bytes.length} ${tail}`;
    },
  },
  d1_single: {
    write: ({ DB }, w, n) => set(DB, w, n).run(),
    read: async ({ DB }, w) => `${(await row(DB, w)) ?? "nothing"}`,
  },
  d1_large: {
    write: ({ DB }, w, n) => DB.prepare("INSERT INTO pads VALUES (?, ?, zeroblob(300000))").bind(-n, -n).run(),
  },
  // Long enough that its log is folded now and then.
  d1_batch: {
    write: ({ DB }, w, n) => {
      const pad = DB.prepare("INSERT OR REPLACE INTO pads VALUES (?, ?, zeroblob(20000))").bind(n % 20, n);
      return DB.batch([set(DB, `${w}-a`, n), pad, set(DB, `${w}-b`, n), set(DB, `${w}-c`, n)]);
    },
    read: async ({ DB }, w) => {
      const values = await Promise.all(["a", "b", "c"].map((id) => row(DB, `${w}-${id}`)));
      const pad = await DB.prepare("SELECT max(n) AS n FROM pads").first("n");
      return same([...values, pad].map((n) => `${n ?? "nothing"}`));
    },
  },
  d1_delete: {
    write: ({ DB }, w, n) =>
      odd(n) ? set(DB, w, n).run() : DB.prepare("DELETE FROM numbers WHERE id = ?").bind(w).run(),
    read: async ({ DB }, w) => `${(await row(DB, w)) ?? "nothing"}`,
  },
};
// The others of those that REST writes are read as the worker's own.
ways.kv_rest = ways.kv_large;
ways.r2_rest = ways.r2_large;
ways.d1_rest = { read: ways.d1_single.read };

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, what, way, n] = url.pathname.split("/");
    try {
      if (what === "write") await ways[way].write(env, way, Number(n));
      return new Response(what === "read" ? await ways[way].read(env, way) : "written");
    } catch (error) {
      return new Response(`${error}`, { status: 500 });
    }
  },
};
