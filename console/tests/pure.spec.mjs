// What decides and needs no browser, taken from the sources as they are.
import assert from "node:assert/strict";
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
