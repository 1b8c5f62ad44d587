// How a bucket is set: public addresses, CORS, lifecycle, locks, notifications, and the keys of S3 clients.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;

let hearth;
let base;
const bucket = (name) => hearth.api("POST", `${base}/r2/buckets`, { name });
const shown = async (path) => (await hearth.api("GET", `${base}/${path}`)).result;
const open = (name, options) => hearth.open(`/a/${hearth.account}/r2/${name}/settings`, options);
const part = (page, title) => page.locator("section", { has: page.getByRole("heading", { level: 2, name: title, exact: true }) });
const choose = async (page, field, option) => {
  await page.getByRole("dialog").getByRole("combobox", { name: field, exact: true }).click();
  await page.getByRole("option", { name: option, exact: true }).click();
};

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
});
after(() => hearth?.stop());

test("public addresses are switched, and the page says that nothing is served there", async () => {
  await bucket("public");
  const page = await hearth.open(`/a/${hearth.account}/r2/public`);
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByText("serves nothing at a bucket's public addresses yet").waitFor();
  await page.getByRole("switch", { name: "Address of the bucket" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal((await shown("r2/buckets/public/domains/managed")).enabled, false);
  await page.getByRole("switch", { name: "Address of the bucket" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make public" }).click();
  await page.getByRole("switch", { name: "Address of the bucket", checked: true }).waitFor();
  assert.equal((await shown("r2/buckets/public/domains/managed")).enabled, true);

  await page.getByRole("button", { name: "Add domain" }).click();
  const form = page.getByRole("dialog");
  await form.getByLabel("Domain").fill("no host");
  await form.getByRole("button", { name: "Add domain" }).click();
  await form.getByRole("alert").waitFor();
  await form.getByLabel("Domain").fill("files.example.com");
  await choose(page, "At least TLS", "1.3");
  await form.getByRole("button", { name: "Add domain" }).click();
  await page.getByRole("row", { name: /files\.example\.com.*1\.3.*pending/ }).waitFor();
  // What is seen of a switch lies over what is read of it.
  await page.getByRole("switch", { name: "files.example.com is on" }).click({ force: true });
  await page.getByRole("switch", { name: "files.example.com is on", checked: false }).waitFor();
  assert.equal((await shown("r2/buckets/public/domains/custom")).domains[0].enabled, false);
  await page.getByRole("button", { name: "Delete files.example.com" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove domain" }).click();
  await page.getByText("No custom domain").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("CORS rules are added, refused where they cannot be, changed and removed", async () => {
  await bucket("cors");
  const page = await open("cors");
  await page.getByText("No page of another origin may").waitFor();
  await page.getByRole("button", { name: "Add CORS rule" }).click();
  const form = page.getByRole("dialog");
  const save = form.getByRole("button", { name: "Save" });
  assert.ok(await save.isDisabled(), "a rule has an origin");
  await form.getByLabel("Origins").fill("https://app.example.com\nhttps://ünï.example");
  await form.getByLabel("PUT", { exact: true }).check();
  await form.getByLabel("Request headers").fill("content-type");
  await save.click();
  await form.getByRole("alert").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "r2-cors-form");
  await form.getByLabel("Origins").fill("https://app.example.com\nhttps://other.example");
  await save.click();
  await page.getByRole("row", { name: /app\.example\.com, https:\/\/other/ }).waitFor();
  const rule = { allowed: { origins: ["https://app.example.com", "https://other.example"], methods: ["GET", "PUT"], headers: ["content-type"] }, exposeHeaders: [], maxAgeSeconds: 3600 };
  assert.deepEqual((await shown("r2/buckets/cors/cors")).rules, [rule]);

  // What others wrote into a rule stays in it.
  await hearth.api("PUT", `${base}/r2/buckets/cors/cors`, { rules: [{ id: "theirs", ...rule }] });
  await page.reload();
  await page.getByRole("button", { name: /^Edit https:\/\/app/ }).click();
  await form.getByLabel("Remembered for, s").fill("60");
  await save.click();
  await form.waitFor({ state: "hidden" });
  assert.deepEqual((await shown("r2/buckets/cors/cors")).rules, [{ id: "theirs", ...rule, maxAgeSeconds: 60 }]);
  await page.getByRole("button", { name: /^Delete https:\/\/app/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove rule" }).click();
  await page.getByText("No page of another origin may").waitFor();
  assert.deepEqual((await shown("r2/buckets/cors/cors")).rules, []);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("lifecycle rules are made, and one that deletes asks first", async () => {
  await bucket("cycle");
  const page = await open("cycle");
  await page.getByRole("row", { name: /Default Multipart Abort Rule.*Uploads given up after 7 days/ }).waitFor();
  await page.getByRole("button", { name: "Add lifecycle rule" }).click();
  const form = page.getByRole("dialog", { name: "Add lifecycle rule" });
  await form.getByLabel("Name").fill("old logs");
  await form.getByLabel("Keys that begin with").fill("logs/");
  await choose(page, "Delete objects", "After days");
  await form.getByLabel("Delete objects: days").fill("30");
  await choose(page, "Move to Infrequent Access", "From a day on");
  const save = form.getByRole("button", { name: "Save" });
  assert.ok(await save.isDisabled(), "the day is missing");
  await form.getByLabel("Move to Infrequent Access: day").fill("2099-01-02");
  await hearth.axe(page);
  await hearth.shot(page, "r2-lifecycle-form");
  await save.click();
  const question = page.getByRole("dialog", { name: "Let old logs delete objects?" });
  await question.getByRole("button", { name: "Cancel" }).click();
  assert.equal((await shown("r2/buckets/cycle/lifecycle")).rules.length, 1);
  await save.click();
  await question.getByRole("button", { name: "Save rule" }).click();
  await page.getByRole("row", { name: /old logs.*Deleted after 30 days · Infrequent Access from 2099-01-02 on/ }).waitFor();
  const [kept, made] = (await shown("r2/buckets/cycle/lifecycle")).rules;
  assert.equal(kept.id, "Default Multipart Abort Rule");
  assert.deepEqual(made, {
    id: "old logs",
    enabled: true,
    conditions: { prefix: "logs/" },
    deleteObjectsTransition: { condition: { type: "Age", maxAge: 2_592_000 } },
    storageClassTransitions: [{ storageClass: "InfrequentAccess", condition: { type: "Date", date: "2099-01-02T00:00:00Z" } }],
  });
  await page.getByRole("button", { name: "Edit old logs" }).click();
  await page.getByRole("dialog").getByRole("switch", { name: "The rule is on" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("row", { name: /old logs.*Off/ }).waitFor();
  await page.getByRole("button", { name: "Delete old logs" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove rule" }).click();
  await page.getByRole("row", { name: /old logs/ }).waitFor({ state: "detached" });
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a lock holds objects until it is removed", async () => {
  await bucket("locked");
  const object = `${base}/r2/buckets/locked/objects/keep/a.txt`;
  await hearth.api("PUT", object, "a", { "content-type": "text/plain" });
  const page = await open("locked");
  await page.getByRole("button", { name: "Add lock" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("law");
  await page.getByRole("dialog").getByLabel("Keys that begin with").fill("keep/");
  await choose(page, "Locked", "For ever");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("row", { name: /law.*keep\/.*For ever.*On/ }).waitFor();
  await assert.rejects(hearth.api("DELETE", object), /lock/i);
  await page.getByRole("button", { name: "Edit law" }).click();
  await choose(page, "Locked", "For days");
  await page.getByRole("dialog").getByLabel("Locked: days").fill("1");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await page.getByRole("row", { name: /law.*For 1 day after it was written/ }).waitFor();
  await page.getByRole("button", { name: "Delete law" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove rule" }).click();
  await page.getByText("Nothing is locked").waitFor();
  await hearth.api("DELETE", object);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a queue is told of objects, and no more once it is taken out", async () => {
  await bucket("told");
  const queue = (await hearth.api("POST", `${base}/queues`, { queue_name: "changes" })).result.queue_id;
  const page = await open("told");
  await page.getByText("No queue is told").waitFor();
  await page.getByRole("button", { name: "Add notification" }).click();
  const form = page.getByRole("dialog");
  await choose(page, "Queue", "changes");
  await form.getByLabel("Copied").uncheck();
  await form.getByLabel("Keys that end with").fill(".json");
  await form.getByLabel("Description").fill(EVIL);
  await hearth.axe(page);
  await hearth.shot(page, "r2-notification-form");
  await form.getByRole("button", { name: "Add" }).click();
  await page.getByRole("row", { name: /changes.*Written, Uploaded in parts.*\.json.*onerror/ }).waitFor();
  for (const name of ["a.json", "a.txt"]) {
    await hearth.api("PUT", `${base}/r2/buckets/told/objects/${name}`, "{}", { "content-type": "application/json" });
  }
  assert.equal((await shown(`queues/${queue}/metrics`)).backlog_count, 1);
  await page.getByRole("button", { name: /^Delete changes/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove notification" }).click();
  await page.getByText("No queue is told").waitFor();
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a token with a permission for R2 is shown as a key of S3 clients, others are not", async () => {
  const page = await hearth.open(`/a/${hearth.account}/tokens`);
  const make = async (name, permission) => {
    await page.getByRole("button", { name: "Create token" }).click();
    const form = page.getByRole("dialog");
    await form.getByLabel("Name").fill(name);
    await form.getByRole("textbox", { name: "Permissions" }).or(form.getByRole("combobox", { name: "Permissions" })).first().click();
    await page.getByRole("option", { name: permission, exact: true }).click();
    await page.keyboard.press("Escape");
    await form.getByRole("button", { name: "Create token" }).click();
    await page.getByRole("button", { name: "I have kept it" }).waitFor();
    const texts = await page.getByRole("dialog").locator("pre").allInnerTexts();
    await hearth.axe(page);
    await hearth.shot(page, `token-${name}`);
    await page.getByRole("button", { name: "I have kept it" }).click();
    return texts;
  };
  const [value, key] = await make("s3", "Workers R2 Storage Write");
  const { id } = (await shown("tokens")).find(({ name }) => name === "s3");
  const secret = createHash("sha256").update(value).digest("hex");
  assert.equal(key, `AWS_ACCESS_KEY_ID=${id}\nAWS_SECRET_ACCESS_KEY=${secret}`);
  assert.equal((await make("kv", "Workers KV Storage Read")).length, 1);
  assert.ok(!(await page.content()).includes(secret), "it is shown once");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a bucket that is gone says so in each part", async () => {
  const page = await open("nowhere");
  await part(page, "CORS").getByRole("alert").waitFor();
  await part(page, "Lifecycle").getByRole("alert").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("it looks right in both languages, light and dark, and on a phone", async () => {
  await bucket("looks");
  const queue = (await hearth.api("POST", `${base}/queues`, { queue_name: "looks" })).result.queue_id;
  await hearth.api("PUT", `${base}/r2/buckets/looks/cors`, { rules: [{ allowed: { origins: ["https://a.example"], methods: ["GET"] } }] });
  await hearth.api("PUT", `${base}/r2/buckets/looks/lock`, { rules: [{ id: "l", enabled: true, condition: { type: "Indefinite" } }] });
  await hearth.api("POST", `${base}/r2/buckets/looks/domains/custom`, { domain: "files.example.com" });
  await hearth.api("PUT", `${base}/event_notifications/r2/looks/configuration/queues/${queue}`, { rules: [{ actions: ["PutObject"] }] });
  const all = (page) => page.waitForFunction(() => document.querySelectorAll('[role="grid"]').length === 5);
  await hearth.look(`/a/${hearth.account}/r2/looks/settings`, "r2-settings", all);
});
