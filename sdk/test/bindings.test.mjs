// What is read and written from here is the deployed worker's own: each test looks from both sides.
import assert from "node:assert/strict";
import { before, test } from "node:test";

import { hearth, made, visit } from "./server.mjs";

const WORKER = `
import { WorkflowEntrypoint } from "cloudflare:workers";
export class Flow extends WorkflowEntrypoint {
  async run(event, step) {
    const go = await step.waitForEvent("go", { type: "go", timeout: "1 hour" });
    return { had: event.payload, got: go.payload };
  }
}
export class Box { }
const calls = {
  kv: async (env, { key }) => ({ ...(await env.KV.getWithMetadata(key)) }),
  putKv: async (env, { key, value, options }) => env.KV.put(key, value, options),
  r2: async (env, { key }) => {
    const object = await env.BUCKET.get(key);
    return { text: await object.text(), custom: object.customMetadata, http: object.httpMetadata };
  },
  putR2: async (env, { key, value, options }) => void (await env.BUCKET.put(key, value, options)),
  d1: async (env, { sql, params }) => (await env.DB.prepare(sql).bind(...params).all()).results,
  got: async (env) => JSON.parse((await env.KV.get("got")) ?? "[]"),
};
export default {
  async fetch(request, env) {
    const { call, ...rest } = await request.json();
    return Response.json((await calls[call](env, rest)) ?? null);
  },
  async queue(batch, env) {
    const got = JSON.parse((await env.KV.get("got")) ?? "[]");
    for (const { body } of batch.messages) got.push(ArrayBuffer.isView(body) ? [...body] : body);
    await env.KV.put("got", JSON.stringify(got));
  },
};
`;

let url;
let env;
let unreachable;

/** A call inside of the worker. */
async function inside(call, rest = {}) {
  const answer = await visit(url, { method: "POST", body: JSON.stringify({ call, ...rest }) });
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text);
}

async function until(what) {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((done) => setTimeout(done, 50))) {
    const found = await what();
    if (found) return found;
  }
  assert.fail("it did not come");
}

before(async () => {
  const account = await hearth.account();
  const path = { account };
  const kv = await made(hearth.api.POST("/client/v4/accounts/{account}/storage/kv/namespaces", { params: { path }, body: { title: "sdk" } }));
  await made(hearth.api.POST("/client/v4/accounts/{account}/r2/buckets", { params: { path }, body: { name: "sdk-bucket" } }));
  const d1 = await made(hearth.api.POST("/client/v4/accounts/{account}/d1/database", { params: { path }, body: { name: "sdk" } }));
  const queue = await made(hearth.api.POST("/client/v4/accounts/{account}/queues", { params: { path }, body: { queue_name: "sdk-queue" } }));
  const deployed = await hearth.workers.deploy("sdk-bound", {
    modules: { "index.js": WORKER },
    bindings: {
      KV: { type: "kv_namespace", namespace_id: kv.id },
      BUCKET: { type: "r2_bucket", bucket_name: "sdk-bucket" },
      DB: { type: "d1", id: d1.uuid },
      QUEUE: { type: "queue", queue_name: "sdk-queue" },
      FLOW: { type: "workflow", workflow_name: "sdk-flow", class_name: "Flow" },
      BOX: { type: "durable_object_namespace", class_name: "Box" },
      NAME: "worker",
      CONFIG: { type: "json", json: { a: [1] } },
    },
    metadata: { migrations: { new_tag: "v1", new_sqlite_classes: ["Box"] } },
  });
  url = deployed.url;
  await hearth.workers.putSecret("sdk-bound", "KEY", "hush");
  await made(hearth.api.PUT("/client/v4/accounts/{account}/workflows/{workflow}", {
    params: { path: { account, workflow: "sdk-flow" } },
    body: { script_name: "sdk-bound", class_name: "Flow" },
  }));
  await made(hearth.api.POST("/client/v4/accounts/{account}/queues/{queue}/consumers", {
    params: { path: { account, queue: queue.queue_id } },
    body: { type: "worker", script_name: "sdk-bound", settings: { batch_size: 10, max_wait_time_ms: 0 } },
  }));
  ({ env, unreachable } = await hearth.bindings({ worker: "sdk-bound" }));
});

test("KV is the worker's", async () => {
  await env.KV.put("a/ü b", "from here", { metadata: { who: "sdk" }, expirationTtl: 600 });
  assert.deepEqual(await inside("kv", { key: "a/ü b" }), { value: "from here", metadata: { who: "sdk" }, cacheStatus: null });
  await inside("putKv", { key: "there", value: '{"n":1}', options: { metadata: [1] } });
  assert.equal(await env.KV.get("there"), '{"n":1}');
  assert.deepEqual(await env.KV.get("there", "json"), { n: 1 });
  assert.deepEqual(await env.KV.getWithMetadata("there", { type: "json" }), { value: { n: 1 }, metadata: [1], cacheStatus: null });
  assert.equal(Buffer.from(await env.KV.get("there", "arrayBuffer")).toString(), '{"n":1}');
  assert.equal(await new Response(await env.KV.get("there", "stream")).text(), '{"n":1}');
  assert.equal(await env.KV.get("none"), null);
  assert.deepEqual(await env.KV.getWithMetadata("none"), { value: null, metadata: null, cacheStatus: null });
  assert.deepEqual([...(await env.KV.get(["there", "none"], "json"))], [["there", { n: 1 }], ["none", null]]);
  assert.deepEqual((await env.KV.getWithMetadata(["there"])).get("there"), { value: '{"n":1}', metadata: [1], cacheStatus: null });
  await env.KV.put("bytes", new Uint8Array([0, 255]));
  assert.deepEqual(new Uint8Array(await env.KV.get("bytes", "arrayBuffer")), new Uint8Array([0, 255]));
  const first = await env.KV.list({ limit: 1 });
  assert.deepEqual([first.keys[0].name, first.keys[0].metadata, first.list_complete], ["a/ü b", { who: "sdk" }, false]);
  const rest = await env.KV.list({ cursor: first.cursor });
  assert.ok(rest.list_complete && rest.keys.some((key) => key.name === "there"));
  await env.KV.delete("there");
  assert.equal((await inside("kv", { key: "there" })).value, null);
  await assert.rejects(env.KV.put("a", "b", { expirationTtl: 1 }), { name: "HearthError", status: 400 });
  await assert.rejects(env.KV.put("a", "b", { unknown: 1 }), /`unknown` is not available/);
});

test("R2 is the worker's", async () => {
  const options = { httpMetadata: { contentType: "text/x-own", cacheControl: "no-store" }, customMetadata: { who: "ü" } };
  const put = await env.BUCKET.put("folder/a b", "from here", options);
  assert.deepEqual([put.size, put.customMetadata], [9, { who: "ü" }]);
  assert.deepEqual(await inside("r2", { key: "folder/a b" }), { text: "from here", custom: { who: "ü" }, http: options.httpMetadata });
  await inside("putR2", { key: "there", value: "content", options: { customMetadata: { a: "b" } } });
  const object = await env.BUCKET.get("there");
  assert.deepEqual([await object.text(), object.customMetadata, object.bodyUsed], ["content", { a: "b" }, true]);
  assert.equal(await (await env.BUCKET.get("there", { range: { offset: 1, length: 2 } })).text(), "on");
  assert.equal(await (await env.BUCKET.get("there", { range: { suffix: 2 } })).text(), "nt");
  assert.equal((await env.BUCKET.head("there")).etag, object.etag);
  assert.equal(await env.BUCKET.head("the"), null);
  assert.equal(await env.BUCKET.get("none"), null);
  const bytes = new Uint8Array([0, 255, 10]);
  await env.BUCKET.put("bytes", bytes);
  assert.deepEqual(await (await env.BUCKET.get("bytes")).bytes(), bytes);
  await env.BUCKET.put("empty", null);
  assert.equal(await new Response((await env.BUCKET.get("empty")).body).text(), "");
  const headers = new Headers();
  (await env.BUCKET.head("folder/a b")).writeHttpMetadata(headers);
  assert.equal(headers.get("content-type"), "text/x-own");
  const listed = await env.BUCKET.list({ delimiter: "/", limit: 2 });
  assert.deepEqual([listed.truncated, listed.delimitedPrefixes.concat(listed.objects.map(({ key }) => key)).length], [true, 2]);
  const all = await env.BUCKET.list({ prefix: "folder/" });
  assert.deepEqual(all.objects.map((one) => one.key), ["folder/a b"]);
  await env.BUCKET.delete(["there", "bytes", "empty", "none"]);
  assert.deepEqual((await env.BUCKET.list()).objects.map((one) => one.key), ["folder/a b"]);
  await assert.rejects(env.BUCKET.get("a", { onlyIf: {} }), /`onlyIf` is not available/);
  await assert.rejects(env.BUCKET.createMultipartUpload("a"), /not available/);
});

test("D1 is the worker's", async () => {
  await env.DB.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB)");
  const insert = env.DB.prepare("INSERT INTO t (name, data) VALUES (?, ?)");
  const run = await insert.bind("here", new Uint8Array([1, 2])).run();
  assert.deepEqual([run.success, run.meta.changes, run.meta.last_row_id], [true, 1, 1]);
  const results = await env.DB.batch([insert.bind("two", null), env.DB.prepare("SELECT count(*) AS n FROM t")]);
  assert.deepEqual(results[1].results, [{ n: 2 }]);
  const rows = await inside("d1", { sql: "SELECT * FROM t WHERE name = ?", params: ["here"] });
  assert.deepEqual(rows, [{ id: 1, name: "here", data: [1, 2] }]);
  await inside("d1", { sql: "INSERT INTO t (name) VALUES (?)", params: ["there"] });
  const select = env.DB.prepare("SELECT name FROM t WHERE id = ?").bind(3);
  assert.deepEqual(await select.first(), { name: "there" });
  assert.equal(await select.first("name"), "there");
  assert.equal(await env.DB.prepare("SELECT 1 WHERE 0").first(), null);
  assert.deepEqual(await env.DB.prepare("SELECT id, name FROM t").raw({ columnNames: true }), [
    ["id", "name"], [1, "here"], [2, "two"], [3, "there"],
  ]);
  assert.deepEqual(await env.DB.prepare("SELECT ? AS yes").bind(true).first(), { yes: 1 });
  await assert.rejects(env.DB.batch([insert.bind("three", null), env.DB.prepare("INSERT INTO nothing VALUES (1)")]), /D1_ERROR: .*nothing/);
  assert.equal((await env.DB.prepare("SELECT count(*) AS n FROM t").first()).n, 3, "a batch is one transaction");
  assert.throws(() => insert.bind(undefined), /D1_TYPE_ERROR/);
});

test("what is sent to the queue reaches its consumer", async () => {
  await env.QUEUE.send({ a: 1 });
  await env.QUEUE.sendBatch([{ body: "text", contentType: "text" }, { body: new Uint8Array([7]), contentType: "bytes" }]);
  const got = await until(async () => {
    const got = await inside("got");
    return got.length === 3 && got;
  });
  assert.deepEqual(new Set(got.map((body) => JSON.stringify(body))), new Set(['{"a":1}', '"text"', "[7]"]));
  assert.equal((await env.QUEUE.metrics()).backlogCount, 0);
  await assert.rejects(env.QUEUE.send("a", { contentType: "v8" }), /"v8" is not available/);
});

test("workflows are started and told", async () => {
  const instance = await env.FLOW.create({ id: "one", params: { a: 1 } });
  await until(async () => ["running", "waiting"].includes((await instance.status()).status));
  await (await env.FLOW.get("one")).sendEvent({ type: "go", payload: [2] });
  const done = await until(async () => {
    const now = await instance.status();
    return now.status === "complete" && now;
  });
  assert.deepEqual(done.output, { had: { a: 1 }, got: [2] });
  await assert.rejects(env.FLOW.get("none"), { status: 404 });
});

test("variables are there, and what cannot be reached says why", async () => {
  assert.deepEqual([env.NAME, env.CONFIG], ["worker", { a: [1] }]);
  assert.deepEqual(unreachable.sort(), ["BOX", "KEY"]);
  assert.throws(() => env.BOX.idFromName("a"), /env\.BOX is a class of Durable Objects/);
  assert.throws(() => `${env.KEY}`, /env\.KEY is a secret.*overrides/);
  const own = await hearth.bindings({ worker: "sdk-bound", overrides: { KEY: "mine", MORE: 1 } });
  assert.deepEqual([own.env.KEY, own.env.MORE, own.unreachable], ["mine", 1, ["BOX"]]);
  await assert.rejects(hearth.bindings({ worker: "sdk-nobody" }), { status: 404, code: 10007 });
});
