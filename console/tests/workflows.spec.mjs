// Workflows with their instances and steps, and Durable Objects.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;
const SOURCE = `
import { WorkflowEntrypoint, DurableObject } from "cloudflare:workers";
export class Order extends WorkflowEntrypoint {
  async run(event, step) {
    const total = await step.do("add up", async () => ({ total: event.payload.amount ?? 0, note: event.payload.note ?? "" }));
    if (event.payload.fail) {
      await step.do("charge", { retries: { limit: 1, delay: 10 } }, async () => { throw new Error(event.payload.fail); });
    }
    const paid = await step.waitForEvent("wait for payment", { type: "paid", timeout: "1 hour" });
    await step.sleep("breathe", 20);
    return { total, paid: paid.payload };
  }
}
export class Counter extends DurableObject {
  async fetch() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return new Response(String(n));
  }
}
export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname;
    return env.COUNTER.get(env.COUNTER.idFromName(name)).fetch(request);
  },
};
`;

let hearth;
let base;
const workflow = () => `${base}/workflows/orders`;
const create = async (params) => (await hearth.api("POST", `${workflow()}/instances`, { params })).result.id;
const status = async (id) => (await hearth.api("GET", `${workflow()}/instances/${id}`)).result.status;
const until = async (id, wanted) => {
  for (let turn = 0; turn < 300; turn += 1) {
    if ((await status(id)) === wanted) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`${id} is ${await status(id)}, not ${wanted}`);
};
/** Calls the worker at its own host. */
const call = (name) =>
  new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: hearth.port, path: `/${name}`, headers: { host: "shop.localhost" } }, (answer) => {
      answer.resume();
      answer.on("end", resolve);
    });
    asked.on("error", reject);
    asked.end();
  });
const open = (id, options) => hearth.open(`/a/${hearth.account}/workflows/orders${id === undefined ? "" : `/${id}`}`, options);

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
});
after(() => hearth?.stop());

test("without any, both areas say how to get the first", async () => {
  for (const [area, text] of [["workflows", "No workflows yet"], ["objects", "No namespaces yet"]]) {
    const page = await hearth.open(`/a/${hearth.account}/${area}`);
    await page.getByText(text).waitFor();
    await hearth.axe(page);
    await page.context().close();
  }
  await hearth.deploy("shop", SOURCE, {
    bindings: [
      { type: "workflow", name: "ORDERS", workflow_name: "orders", class_name: "Order" },
      { type: "durable_object_namespace", name: "COUNTER", class_name: "Counter" },
    ],
    migrations: { new_tag: "v1", steps: [{ new_sqlite_classes: ["Counter"] }] },
  });
  await hearth.api("PUT", `${base}/workflows/orders`, { script_name: "shop", class_name: "Order" });
});

test("an instance is started with parameters, shows its steps, gets its event and completes", async () => {
  const page = await hearth.open(`/a/${hearth.account}/workflows`);
  await page.getByRole("link", { name: "orders" }).click();
  await page.getByText("No instances").waitFor();
  await page.getByRole("button", { name: "New instance" }).first().click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Id").fill("order-1");
  await form.getByRole("textbox", { name: "Parameters" }).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(`{"amount": 7}`);
  await hearth.axe(page);
  await form.getByRole("button", { name: "Start" }).click();
  await page.getByRole("heading", { level: 1, name: "order-1" }).waitFor();
  await page.getByText("Waits for an event").waitFor();
  await page.getByRole("button", { name: /add up/ }).click();
  await page.getByText(`"total": 7`).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "workflows-instance");
  await page.getByRole("button", { name: "Send an event" }).click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Type" }).fill("paid");
  await page.getByRole("dialog").getByRole("button", { name: "Send an event" }).click();
  await page.getByText("Complete", { exact: true }).waitFor();
  await page.getByRole("button", { name: /breathe/ }).waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("instances are paused, resumed, terminated and restarted", async () => {
  const id = await create({ amount: 1 });
  await until(id, "waiting");
  const page = await open(id);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  await until(id, "paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await page.getByRole("button", { name: "Terminate" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Terminate" }).click();
  await page.getByText("Terminated", { exact: true }).first().waitFor();
  await until(id, "terminated");
  await page.getByRole("button", { name: "Restart" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restart" }).click();
  await until(id, "waiting");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a failure shows its attempts; what steps and errors hold is text, in Chinese and on a phone", async () => {
  const id = await create({ fail: EVIL, note: EVIL });
  await until(id, "errored");
  const page = await open(id, { language: "zh", scheme: "dark", width: 390, height: 844 });
  await page.getByRole("button", { name: /charge/ }).click();
  await page.getByText("第 2 次尝试失败").waitFor();
  await page.getByRole("button", { name: /add up/ }).click();
  await page.getByText("onerror").first().waitFor();
  await hearth.fits(page);
  await hearth.axe(page);
  await hearth.shot(page, "workflows-failed-phone-zh");
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  const list = await open(undefined);
  await list.getByRole("row", { name: new RegExp(id) }).waitFor();
  await list.getByLabel("Status").first().click();
  await list.getByRole("option", { name: "Failed" }).click();
  await list.getByText("Failed").first().waitFor();
  await hearth.axe(list);
  await hearth.shot(list, "workflows-instances");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
  await list.context().close();
});

test("objects are listed with what their class stores", async () => {
  for (const name of ["a", "b", "c"]) await call(name);
  const page = await hearth.open(`/a/${hearth.account}/objects`);
  await page.getByRole("link", { name: "Counter" }).waitFor();
  await hearth.shot(page, "objects-namespaces");
  await page.getByRole("link", { name: "Counter" }).click();
  await page.getByText("3 objects shown").waitFor();
  await page.getByText("SQLite").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "objects");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("their pages look right in both languages, light and dark, and on a phone", async () => {
  const path = `/a/${hearth.account}`;
  const id = await create({ amount: 2 });
  await until(id, "waiting");
  const grid = (page) => page.getByRole("grid").waitFor();
  await hearth.look(`${path}/workflows`, "workflows", grid);
  await hearth.look(`${path}/workflows/orders`, "workflow", grid);
  await hearth.look(`${path}/workflows/orders/${id}`, "instance", (page) => page.getByRole("button", { name: /add up/ }).waitFor());
  await hearth.look(`${path}/objects`, "objects", grid);
  const [namespace] = (await hearth.api("GET", `${base}/workers/durable_objects/namespaces`)).result;
  await hearth.look(`${path}/objects/${namespace.id}`, "objects-of-class", grid);
});
