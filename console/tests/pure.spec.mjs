// What decides and needs no browser, taken from the sources as they are.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { transform } from "sucrase";

/** A module of the console that imports types alone. */
async function load(path) {
  const source = readFileSync(new URL(`../src/${path}`, import.meta.url), "utf8");
  const { code } = transform(source, { transforms: ["typescript"], disableESTransforms: true });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

const { troubles } = await load("overview/health.ts");
const { linesOf } = await load("workers/logs/lines.ts");
const titles = await load("audit/titles.ts");
const rules = await load("r2/settings/rules.ts");

const hour = (scriptName, requests, errors, processDeaths = 0) => ({
  sum: { requests, errors, processDeaths },
  dimensions: { scriptName },
});
const live = (name, ends = {}, failed_starts = 0) => ({ name, ends, failed_starts });

test("a worker is in trouble when it fails often, dies or does not start; the worst is first", () => {
  const found = troubles(
    [hour("well", 1000, 3), hour("failing", 100, 40), hour("dying", 10, 0, 2), hour("quiet", 0, 0)],
    [live("well"), live("dying", { memory: 1, crashed: 4 }), live("broken", {}, 3)],
  );
  assert.deepEqual(
    found.map(({ worker }) => worker),
    ["failing", "broken", "dying"],
  );
  assert.deepEqual(found[2].ends, ["crashed", "memory"]);
});

test("few requests of which none failed are no trouble, one that failed is", () => {
  assert.deepEqual(troubles([hour("one", 1, 0)], []), []);
  assert.equal(troubles([hour("one", 1, 1)], []).length, 1);
});

test("a message of a tail becomes the call and what was said in it", () => {
  let number = 0;
  const lines = linesOf(
    {
      outcome: "exception",
      eventTimestamp: 1,
      event: { request: { url: "http://shop.localhost/a?b=c", method: "GET" }, response: { status: 500 } },
      logs: [{ message: ["x", { a: 1 }], level: "warn", timestamp: 2 }],
      exceptions: [{ name: "Error", message: "boom", timestamp: 3, stack: "    at fetch (index.js:1:1)" }],
    },
    () => number++,
  );
  assert.deepEqual(
    lines.map(({ id, level, text }) => [id, level, text]),
    [
      [0, "error", "GET /a?b=c → 500 (exception)"],
      [1, "warn", 'x {"a":1}'],
      [2, "error", "Error: boom\n    at fetch (index.js:1:1)"],
    ],
  );
});

test("each kind of event says what it was", () => {
  const of = (event, outcome = "ok") =>
    linesOf({ outcome, eventTimestamp: 0, event, logs: [], exceptions: [] }, () => 0)[0].text;
  assert.equal(of({ cron: "* * * * *", scheduledTime: 1 }), "cron * * * * *");
  assert.equal(of({ queue: "jobs" }), "queue jobs");
  assert.equal(of({ rpcMethod: "add" }), "rpc add");
  assert.equal(of({ scheduledTime: "2026-01-01" }), "alarm");
  assert.equal(of(null, "ok"), "ok");
  assert.equal(of({ request: { url: "not a url", method: "GET" } }, "canceled"), "GET not a url → canceled");
  assert.equal(of({ type: "overload", message: "too much" }), "too much");
});

test("each operation that the audit log may have is called something in Chinese", () => {
  const { paths } = JSON.parse(execFileSync(process.env.HEARTH_BIN, ["openapi"], { encoding: "utf8", maxBuffer: 64 << 20 }));
  const changing = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      // Of what is asked with GET only the end of single sign-on is kept: crates/audit/src/watch.rs.
      .filter(([method]) => ["post", "put", "patch", "delete"].includes(method) || path === "/api/session/oidc/{provider}/callback")
      .map(([, { operationId }]) => operationId),
  );
  assert.ok(changing.length > 200);
  assert.deepEqual(
    changing.filter((id) => !/\p{Script=Han}|Sippy/u.test(titles.zh[id] ?? "")),
    [],
    "operations without a title",
  );
  assert.deepEqual(
    Object.keys(titles.zh).filter((id) => !changing.includes(id)),
    [],
    "titles of nothing",
  );
});

test("a bucket's rules come back as they were, with what forms do not show", () => {
  const lifecycle = {
    id: "a",
    enabled: false,
    conditions: { prefix: "logs/", suffix: ".gz" },
    deleteObjectsTransition: { condition: { type: "Age", maxAge: 86_400 * 1.5 } },
    storageClassTransitions: [
      { storageClass: "InfrequentAccess", condition: { type: "Date", date: "2030-01-02T03:04:05Z" } },
      { storageClass: "Standard", condition: { type: "Age", maxAge: 5 } },
    ],
    abortMultipartUploadsTransition: { condition: { type: "Age", maxAge: 60 } },
    theirs: true,
  };
  assert.deepEqual(rules.lifecycleRule(rules.lifecycleForm(lifecycle), lifecycle), lifecycle);
  const form = rules.lifecycleForm(lifecycle);
  const changed = rules.lifecycleRule({ ...form, expire: { ...form.expire, kind: "none" } }, lifecycle);
  assert.equal("deleteObjectsTransition" in changed, false, "what is taken out is gone");
  assert.equal(rules.isWhole({ kind: "age", days: "", date: "" }), false);
  assert.equal(rules.isWhole({ kind: "date", days: 1, date: "" }), false);
  for (const condition of [{ type: "Indefinite" }, { type: "Age", maxAgeSeconds: 90 }, { type: "Date", date: "2030-01-02T03:04:05Z" }]) {
    const lock = { id: "l", enabled: true, prefix: "p", condition };
    assert.deepEqual(rules.lockRule(rules.lockForm(lock)), lock);
  }
  const cors = { id: "c", allowed: { origins: ["https://a", "https://b"], methods: ["PUT"], headers: [] }, exposeHeaders: ["etag"], maxAgeSeconds: 0 };
  assert.deepEqual(rules.corsRule(rules.corsForm(cors), cors), cors);
  assert.deepEqual(rules.each(" a,b\n\nc "), ["a", "b", "c"]);
});
