// Queues: made, sent to, looked into, paused, purged; consumers, and dead letters sent back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;

let hearth;
let base;
const create = async (name) => (await hearth.api("POST", `${base}/queues`, { queue_name: name })).result.queue_id;
const send = (id, body, content_type = "json") => hearth.api("POST", `${base}/queues/${id}/messages`, { body, content_type });
const waiting = async (id) => (await hearth.api("GET", `${base}/queues/${id}/metrics`)).result.backlog_count;
const open = (id, tab = "messages", options) => hearth.open(`/a/${hearth.account}/queues/${id}?tab=${tab}`, options);

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
});
after(() => hearth?.stop());

test("a queue is made, sent to, looked into without taking, and emptied", async () => {
  const page = await hearth.open(`/a/${hearth.account}/queues`);
  await page.getByText("No queues yet").waitFor();
  await hearth.axe(page);
  await page.getByRole("button", { name: "New queue" }).first().click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("orders");
  await page.getByRole("dialog").getByRole("button", { name: "Create queue" }).click();
  await page.getByRole("link", { name: "orders" }).click();
  await page.getByText("Nothing waits").waitFor();
  await page.getByRole("button", { name: "Send a message" }).click();
  const form = page.getByRole("dialog");
  await form.getByText('"queue"').waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "queues-send");
  await form.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("row", { name: /hello/ }).click();
  await page.getByRole("dialog").getByText('"hello": "queue"').waitFor();
  await hearth.axe(page);
  await page.keyboard.press("Escape");
  const id = (await hearth.api("GET", `${base}/queues?name=orders`)).result[0].queue_id;
  assert.equal(await waiting(id), 1);
  await send(id, "plain text", "text");
  await page.getByRole("button", { name: "Look again" }).click();
  await page.getByText("plain text").waitFor();
  await hearth.shot(page, "queues-messages");
  await page.getByRole("checkbox").first().check();
  await page.getByRole("button", { name: "Delete 1 message" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete 1 message" }).click();
  await page.getByText("1 message deleted").waitFor();
  assert.equal(await waiting(id), 1);
  await page.getByRole("button", { name: "Delete all" }).click();
  await page.getByRole("dialog").getByText("1 waiting message is lost").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Delete all messages" }).click();
  await page.getByText("Nothing waits").waitFor();
  assert.equal(await waiting(id), 0);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("delivery is paused and goes on; settings and consumers are changed", async () => {
  await create("failed");
  const id = await create("jobs");
  await hearth.deploy("taker", `export default { queue(batch) { batch.ackAll() } }`);
  const page = await open(id, "consumers");
  await page.getByText("Nobody takes from this queue").waitFor();
  await page.getByRole("button", { name: "Add consumer" }).click();
  const form = page.getByRole("dialog");
  await form.getByRole("textbox", { name: "Worker" }).fill("nobody");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByRole("alert").waitFor();
  await form.getByRole("textbox", { name: "Worker" }).fill("taker");
  await form.getByLabel("Retries").fill("5");
  await form.getByRole("combobox", { name: "Dead letter queue" }).or(form.getByLabel("Dead letter queue")).first().click();
  await page.getByRole("option", { name: "failed" }).click();
  await hearth.axe(page);
  await form.getByRole("button", { name: "Save" }).click();
  await page.getByRole("heading", { name: "taker" }).waitFor();
  const consumer = (await hearth.api("GET", `${base}/queues/${id}/consumers`)).result[0];
  assert.equal(consumer.settings.max_retries, 5);
  assert.equal(consumer.dead_letter_queue, "failed");
  await hearth.shot(page, "queues-consumers");
  await page.getByRole("button", { name: "Pause delivery" }).click();
  await page.getByRole("button", { name: "Resume delivery" }).waitFor();
  await send(id, { wait: true });
  assert.equal(await waiting(id), 1);
  await page.getByRole("button", { name: "Resume delivery" }).click();
  await page.getByRole("button", { name: "Pause delivery" }).waitFor();
  for (let turn = 0; (await waiting(id)) > 0; turn += 1) {
    assert.ok(turn < 200, "the message is not delivered");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await page.getByRole("tab", { name: "Settings" }).click();
  await page.getByLabel("Delay of all messages, s").fill("7");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Settings saved").waitFor();
  assert.equal((await hearth.api("GET", `${base}/queues/${id}`)).result.settings.delivery_delay, 7);
  await page.getByRole("tab", { name: "Consumers" }).click();
  await page.getByRole("button", { name: "Remove consumer" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove consumer" }).click();
  await page.getByText("Nobody takes from this queue").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("subscriptions are made, switched off and removed, and the page says that nothing publishes yet", async () => {
  const id = await create("told");
  const listed = async () => (await hearth.api("GET", `${base}/event_subscriptions/subscriptions?queue_id=${id}`)).result;
  const page = await open(id, "subscriptions");
  await page.getByText("publishes no such events yet").waitFor();
  await page.getByText("No subscriptions lead here").waitFor();
  await page.getByRole("button", { name: "Add subscription" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Name").fill(EVIL);
  await form.getByRole("combobox", { name: "Source" }).click();
  await page.getByRole("option", { name: "A workflow" }).click();
  const action = form.getByRole("button", { name: "Add subscription" });
  assert.ok(await action.isDisabled(), "which one is missing");
  await form.getByLabel("Workflow", { exact: true }).fill("billing");
  await hearth.axe(page);
  await hearth.shot(page, "queue-subscription-form");
  await action.click();
  await page.getByRole("row", { name: /onerror.*A workflow · billing.*instance\.completed/ }).waitFor();
  const [made] = await listed();
  assert.deepEqual([made.name, made.source, made.enabled], [EVIL, { type: "workflows.workflow", workflow_name: "billing" }, true]);
  // What is seen of a switch lies over what is read of it.
  await page.getByRole("switch", { name: /is on/ }).click({ force: true });
  await page.getByRole("switch", { name: /is on/, checked: false }).waitFor();
  assert.equal((await listed())[0].enabled, false);
  await hearth.shot(page, "queue-subscriptions");
  await page.getByRole("button", { name: /^Delete <img/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove subscription" }).click();
  await page.getByText("No subscriptions lead here").waitFor();
  assert.deepEqual(await listed(), []);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("dead letters are found and sent back to where they came from", async () => {
  const dead = await create("dead");
  const source = await create("source");
  await hearth.api("POST", `${base}/queues/${source}/consumers`, { type: "http_pull", dead_letter_queue: "dead", settings: {} });
  await send(dead, { n: 1, text: "ünï" });
  await send(dead, "as text", "text");
  const page = await open(dead, "messages", { language: "zh", scheme: "dark" });
  await page.getByRole("link", { name: "source" }).waitFor();
  for (const box of await page.getByRole("checkbox").all()) await box.check();
  await hearth.axe(page);
  await hearth.shot(page, "queues-dead-zh");
  await page.getByRole("button", { name: /发回 source/ }).click();
  await page.getByText("没有等待的消息").waitFor();
  assert.equal(await waiting(dead), 0);
  const { messages } = (await hearth.api("POST", `${base}/queues/${source}/messages/pull`, { batch_size: 5 })).result;
  assert.deepEqual(
    messages.map(({ body, metadata }) => (metadata["CF-Content-Type"] === "json" ? JSON.parse(Buffer.from(body, "base64")) : body)),
    [{ n: 1, text: "ünï" }, "as text"],
  );
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("on a phone it fits, and what a message holds is text", async () => {
  const id = await create("evil");
  await send(id, EVIL, "text");
  await send(id, { [EVIL]: EVIL });
  const page = await open(id, "messages", { width: 390, height: 844 });
  await page.getByRole("row", { name: /onerror/ }).first().click();
  await page.getByRole("dialog").getByText("onerror").first().waitFor();
  await hearth.fits(page);
  await hearth.shot(page, "queues-phone");
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("its pages look right in both languages, light and dark, and on a phone", async () => {
  const id = await create("looks");
  await send(id, { a: 1 });
  await hearth.api("POST", `${base}/queues/${id}/consumers`, { type: "http_pull", settings: {} });
  await hearth.look(`/a/${hearth.account}/queues`, "queues", (page) => page.getByRole("grid").waitFor());
  const told = { name: "s", source: { type: "kv" }, destination: { queue_id: id }, events: ["namespace.created"] };
  await hearth.api("POST", `${base}/event_subscriptions/subscriptions`, told);
  for (const tab of ["messages", "consumers", "subscriptions", "settings"]) {
    await hearth.look(`/a/${hearth.account}/queues/${id}?tab=${tab}`, `queue-${tab}`, (page) => page.getByRole("tabpanel").waitFor());
  }
});
