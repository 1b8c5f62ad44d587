// Large amounts stay smooth: what the page's thread is kept from doing while one works with them, against the same page at
// rest in the same run.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const WORKERS = 10_000;
const KEYS = 100_000;
/** Keys that one call writes. */
const AT_ONCE = 10_000;

let hearth;
before(async () => {
  hearth = await start();
});
after(() => hearth?.stop());

/**
 * How the page keeps up while `act` goes on: the share of the time that tasks of over 50 ms took, and frames drawn in a
 * second. A page that does nothing is the measure.
 */
async function watched(page, act) {
  await page.evaluate(() => {
    const seen = { blocked: 0, longest: 0, frames: 0, from: performance.now() };
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        seen.blocked += duration - 50;
        seen.longest = Math.max(seen.longest, duration);
      }
    }).observe({ type: "longtask", buffered: false });
    const frame = () => {
      seen.frames += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    window.seen = seen;
  });
  await act();
  return page.evaluate(() => {
    const { blocked, longest, frames, from } = window.seen;
    const time = performance.now() - from;
    return { blocked: blocked / time, longest, frames: (frames * 1000) / time };
  });
}

/** What is smooth: at least half of the frames of the idle page, and the thread free for three quarters of the time. */
function isSmooth(what, busy, idle) {
  const told = (seen) => `${seen.frames.toFixed(0)} frames/s, blocked ${(seen.blocked * 100).toFixed(1)} %, longest task ${seen.longest.toFixed(0)} ms`;
  console.log(`# ${what}: ${told(busy)}; at rest: ${told(idle)}; ratio of frames ${(busy.frames / idle.frames).toFixed(2)}`);
  assert.ok(busy.frames >= idle.frames / 2, `${what}: ${told(busy)} against ${told(idle)}`);
  assert.ok(busy.blocked <= 0.25, `${what}: ${told(busy)}`);
}

const rest = (page, ms = 3000) => watched(page, () => page.waitForTimeout(ms));

/** Scrolls a table by the wheel, as a hand does. */
async function scroll(page, table, times) {
  await table.hover();
  for (let at = 0; at < times; at += 1) {
    await page.mouse.wheel(0, 900);
    await page.waitForTimeout(40);
  }
}

/** Rows that are in the document, of however many there are. */
const drawn = (table) => table.getByRole("row").count();

test("10,000 workers are listed, searched, sorted and scrolled", async () => {
  const base = `/client/v4/accounts/${hearth.account}/workers`;
  const names = Array.from({ length: WORKERS }, (_, number) => `worker-${String(number).padStart(5, "0")}`);
  const make = async () => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) await hearth.api("POST", `${base}/workers`, { name });
  };
  await Promise.all(Array.from({ length: 8 }, make));
  assert.equal((await hearth.api("GET", `${base}/scripts?per_page=1`)).result_info.total_count, WORKERS);

  const page = await hearth.open(`/a/${hearth.account}/workers`);
  const table = page.getByRole("grid").first();
  await page.getByText("worker-00000").waitFor();
  const idle = await rest(page);
  const busy = await watched(page, async () => {
    await scroll(page, table, 60);
    const find = page.getByRole("searchbox");
    await find.pressSequentially("worker-0999", { delay: 60 });
    await page.getByText("worker-09990").waitFor();
    await find.fill("");
    await page.waitForTimeout(500);
    await scroll(page, table, 20);
  });
  assert.ok((await drawn(table)) < 200, "only what is in sight is drawn");
  isSmooth(`${WORKERS} workers`, busy, idle);
  await hearth.shot(page, "big-workers");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("100,000 keys come as one scrolls", async () => {
  const base = `/client/v4/accounts/${hearth.account}/storage/kv/namespaces`;
  const { id } = (await hearth.api("POST", base, { title: "many" })).result;
  for (let at = 0; at < KEYS; at += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, n) => ({ key: `user:${String(at + n).padStart(6, "0")}`, value: "v" }));
    await hearth.api("PUT", `${base}/${id}/bulk`, some);
  }
  const page = await hearth.open(`/a/${hearth.account}/kv/${id}`);
  const table = page.getByRole("grid").first();
  await page.getByText("user:000000").waitFor();
  const idle = await rest(page);
  const busy = await watched(page, async () => {
    await scroll(page, table, 60);
    // To the end, as the scroll bar goes there: pages come one after the other.
    for (let rows = 0, stuck = 0; rows < KEYS && stuck < 200; stuck += 1) {
      await table.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await page.waitForTimeout(25);
      const now = Number(await table.getAttribute("aria-rowcount")) - 1;
      if (now > rows) [rows, stuck] = [now, 0];
    }
  });
  await table.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await page.getByText(`user:${String(KEYS - 1).padStart(6, "0")}`).waitFor();
  assert.ok((await drawn(table)) < 200, "only what is in sight is drawn");
  isSmooth(`${KEYS} keys`, busy, idle);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

/** A request to a worker by its host. */
function visit(name) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: hearth.port, headers: { host: `${name}.localhost:${hearth.port}` } };
    const sent = request(options, (answer) => answer.resume().on("end", () => resolve(answer.statusCode)));
    sent.on("error", reject).end();
  });
}

test("a live tail of 1,000 lines a second is read, filtered and scrolled", async () => {
  await hearth.deploy("chatty", CHATTY);
  assert.equal(await visit("chatty"), 200);
  const page = await hearth.open(`/a/${hearth.account}/workers/chatty/logs`);
  await page.getByText("Connected", { exact: false }).or(page.getByText("Live", { exact: true })).first().waitFor();
  const idle = await rest(page);
  const seconds = 10;
  const begun = performance.now();
  const talk = async () => {
    for (let at = 0; at < seconds * 10; at += 1) {
      const due = begun + at * 100 - performance.now();
      if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
      await visit("chatty");
    }
  };
  const busy = await watched(page, async () => {
    const talking = talk();
    await page.getByText(/line 99 /).first().waitFor();
    await page.getByRole("textbox", { name: "Filter" }).pressSequentially("line 7", { delay: 80 });
    await page.getByRole("textbox", { name: "Filter" }).fill("");
    await talking;
  });
  const rate = (seconds * 1000) / ((performance.now() - begun) / 1000);
  console.log(`# ${rate.toFixed(0)} lines a second were logged`);
  isSmooth("a live tail", busy, idle);
  await hearth.shot(page, "big-tail");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

const CHATTY = `export default { fetch(request) {
  for (let line = 0; line < 100; line += 1) console.log("line " + line + " of " + crypto.randomUUID());
  return new Response("said");
} }`;
