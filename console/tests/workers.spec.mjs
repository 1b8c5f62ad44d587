// Workers in the console: the list, and everything that one can do to one of them.
import assert from "node:assert/strict";
import http from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const CODE = (version) => `export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    console.log("asked for", pathname);
    if (pathname === "/throw") throw new Error("<img src=x onerror=window.hacked=1>");
    return Response.json({ version: ${version}, greeting: env.GREETING ?? null, secret: env.KEY ?? null });
  },
  async scheduled() { console.log("tick"); },
}`;

let hearth;
let path;
before(async () => {
  hearth = await start();
  path = `/a/${hearth.account}/workers/shop`;
  const bindings = [{ type: "plain_text", name: "GREETING", text: "hello" }];
  for (const version of [1, 2, 3]) {
    await hearth.deploy("shop", CODE(version), {
      bindings,
      observability: { enabled: true },
      annotations: { "workers/message": `Change ${version}` },
    });
  }
});
after(() => hearth?.stop());

/** What the worker answers from outside. */
function visit(name, where = "/", headers = {}) {
  return new Promise((resolve, reject) => {
    const host = `${name}.localhost:${hearth.port}`;
    const options = { host: "127.0.0.1", port: hearth.port, path: where, headers: { host, ...headers } };
    http
      .get(options, async (response) => {
        const pieces = [];
        for await (const piece of response) pieces.push(piece);
        resolve({ status: response.statusCode, text: Buffer.concat(pieces).toString() });
      })
      .on("error", reject);
  });
}

const PAGES = ["", "/deployments", "/assets", "/logs", "/settings", "/triggers", "/access", "/edit"];

test("each page is accessible and fits, in both languages, light and dark, and on a phone", async () => {
  for (const [language, scheme, width] of [
    ["en", "light", 1280],
    ["zh", "dark", 390],
  ]) {
    const page = await hearth.open(path, { language, scheme, width });
    for (const which of PAGES) {
      await page.goto(`${hearth.origin}${path}${which}`);
      await page.getByRole("heading", { level: 1, name: "shop" }).waitFor();
      await page.waitForLoadState("networkidle");
      await hearth.axe(page);
      await hearth.fits(page);
      await hearth.shot(page, `worker${which.replace("/", "-")}-${language}-${scheme}-${width}`);
    }
    await page.goto(`${hearth.origin}/a/${hearth.account}/new-worker`);
    await page.getByRole("radio").first().waitFor();
    await hearth.axe(page);
    await hearth.fits(page);
    await hearth.shot(page, `worker-new-${language}-${scheme}-${width}`);
    assert.deepEqual(page.amiss, []);
    await page.context().close();
  }
});

test("a version is rolled back to, and traffic is split with the slider", async () => {
  const page = await hearth.open(`${path}/deployments`);
  await page.getByRole("button", { name: "Roll back" }).last().click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
  await page.getByText("v1 serves again").waitFor();
  assert.equal(JSON.parse((await visit("shop")).text).version, 1);

  await page.getByRole("button", { name: "Split traffic" }).click();
  const slider = page.getByRole("slider");
  await slider.focus();
  await page.keyboard.press("End");
  await hearth.axe(page);
  await hearth.shot(page, "worker-split");
  await page.getByRole("button", { name: "Deploy this split" }).click();
  await page.getByText("The split is deployed").waitFor();
  assert.equal(JSON.parse((await visit("shop")).text).version, 3);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("variables and secrets are added, changed and deleted, and the worker has them", async () => {
  const page = await hearth.open(`${path}/settings`);
  await page.getByRole("button", { name: "Edit GREETING" }).click();
  await page.getByLabel("Value").fill("good evening");
  await page.getByRole("button", { name: "Save and deploy" }).last().click();
  await page.locator("dl").getByText("good evening").waitFor();
  assert.equal(JSON.parse((await visit("shop")).text).greeting, "good evening");

  await page.getByRole("button", { name: "Add secret" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("KEY");
  await page.getByLabel("Secret text").fill("s3cret");
  await page.getByRole("dialog").getByRole("button", { name: "Save and deploy" }).click();
  await page.getByText("hidden").waitFor();
  const seen = JSON.parse((await visit("shop")).text);
  assert.deepEqual([seen.greeting, seen.secret], ["good evening", "s3cret"]);

  await page.getByRole("button", { name: "Delete GREETING" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("No variables").waitFor();
  const left = JSON.parse((await visit("shop")).text);
  assert.deepEqual([left.greeting, left.secret], [null, "s3cret"]);
  await page.context().close();
});

test("bindings are added from the account's own things", async () => {
  await hearth.api("POST", `/client/v4/accounts/${hearth.account}/storage/kv/namespaces`, { title: "baskets" });
  const page = await hearth.open(`${path}/settings`);
  await page.getByRole("button", { name: "Add binding" }).click();
  await page.getByRole("combobox", { name: "Bound to" }).click();
  await page.getByRole("option", { name: "baskets" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("BASKETS");
  await page.getByRole("dialog").getByRole("button", { name: "Save and deploy" }).click();
  await page.getByText("kv_namespace").waitFor();
  await page.context().close();
});

test("routes, domains, schedules and the own host are set", async () => {
  const page = await hearth.open(`${path}/triggers`);
  await page.getByLabel("Pattern").fill("shop.test/api/*");
  await page.getByRole("button", { name: "Add" }).first().click();
  await page.getByTitle("shop.test/api/*").waitFor();
  await page.getByLabel("Host", { exact: true }).fill("www.shop.test");
  await page.getByRole("button", { name: "Add" }).nth(1).click();
  await page.getByTitle("www.shop.test").waitFor();
  await page.getByLabel("Cron expression").fill("nonsense");
  await page.getByRole("button", { name: "Add" }).nth(2).click();
  await page.locator("form").getByRole("alert").waitFor();
  await page.getByLabel("Cron expression").fill("*/20 * * * *");
  await page.getByRole("button", { name: "Add" }).nth(2).click();
  await page.getByRole("button", { name: "Run now */20 * * * *" }).click();
  await page.getByText("ok", { exact: true }).waitFor();

  await page.getByRole("switch", { name: "Serve it there" }).click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  for (const until = Date.now() + 20_000; (await visit("shop")).status !== 404; ) {
    assert.ok(Date.now() < until, "the host is still served");
  }
  await page.getByRole("switch", { name: "Serve it there" }).click();
  for (const until = Date.now() + 20_000; (await visit("shop")).status !== 200; ) {
    assert.ok(Date.now() < until, "the host is not served again");
  }
  await page.context().close();
});

test("access asks for a token, which is shown once and revoked", async () => {
  const page = await hearth.open(`${path}/access`);
  await page.getByRole("radio", { name: "Who shows a token" }).click();
  await page.getByText("The rule holds from now on").waitFor();
  assert.equal((await visit("shop")).status, 401);
  await page.getByRole("button", { name: "New token" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("ci");
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  const token = (await page.getByRole("dialog").locator("pre").textContent()).trim();
  assert.equal((await visit("shop", "/", { authorization: `Bearer ${token}` })).status, 200);
  await page.getByRole("dialog").getByRole("button", { name: "Close" }).last().click();
  await page.getByRole("button", { name: "Revoke ci" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("No tokens").waitFor();
  assert.equal((await visit("shop", "/", { authorization: `Bearer ${token}` })).status, 401);
  await page.getByRole("radio", { name: "Everybody" }).click();
  await page.getByText("The rule holds from now on").last().waitFor();
  await page.context().close();
});

test("a live tail and the search show what was logged, as text", async () => {
  const page = await hearth.open(`${path}/logs`);
  await page.getByText("Live", { exact: true }).last().waitFor();
  await page.locator('[role="log"]').waitFor();
  // The badge says when the server listens.
  await page.locator(".mantine-Badge-root", { hasText: "Live" }).waitFor();
  await visit("shop", "/throw");
  await page.getByText("asked for /throw").waitFor();
  await page.getByText("onerror=window.hacked=1").first().waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  await page.getByRole("button", { name: "Pause" }).click();
  await visit("shop", "/while-paused");
  await page.waitForTimeout(500);
  assert.equal(await page.getByText("asked for /while-paused").count(), 0);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("asked for /while-paused").waitFor();
  await hearth.shot(page, "worker-tail");

  await page.getByText("Search", { exact: true }).last().click();
  for (let attempt = 0; ; attempt += 1) {
    await page.getByLabel("Text in the log").fill("asked for /throw");
    await page.getByRole("button", { name: "Search", exact: true }).last().click();
    await page.waitForLoadState("networkidle");
    if ((await page.locator('[role="log"]').getByText("asked for /throw").count()) > 0) break;
    assert.ok(attempt < 30, "the log is not kept");
    await page.waitForTimeout(500);
  }
  await page.locator('[role="log"]').getByText("asked for /throw").first().click();
  await page.getByText('"$metadata"').waitFor();
  await hearth.shot(page, "worker-log-search");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a worker begins from a template, is written in TypeScript, deployed and tried", async () => {
  const page = await hearth.open(`/a/${hearth.account}/new-worker`);
  await page.getByLabel("Name").fill("typed");
  await page.getByRole("radio", { name: /TypeScript/ }).click();
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await page.waitForURL(/typed\/edit/);
  const editor = page.getByRole("textbox", { name: "index.ts" });
  await editor.click();
  await page.keyboard.press("Control+a");
  await hearth.paste(editor, `export default {
  async fetch(request: Request): Promise<Response> {
    const name: string = new URL(request.url).pathname;
    console.log("typed", name);
    return Response.json({ name, method: request.method, body: await request.text() });
  },
} satisfies ExportedHandler;`);
  await page.getByRole("button", { name: "Deploy", exact: true }).click();
  await page.getByText("Deployed", { exact: true }).waitFor();
  await page.getByLabel("Path and query").fill("/hi");
  await page.getByRole("combobox", { name: "Method" }).click();
  await page.getByRole("option", { name: "POST" }).click();
  await page.getByLabel("Body").fill("sent");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText('"body": "sent"').waitFor();
  await page.getByRole("tab", { name: "Logs" }).click();
  await page.getByText("typed /hi").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "worker-try");
  // The source is what one finds again, types and all.
  await page.reload();
  await page.getByText("satisfies").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a worker is deleted when its name was typed", async () => {
  await hearth.deploy("gone", CODE(1));
  const page = await hearth.open(`/a/${hearth.account}/workers/gone`);
  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Delete worker" }).click();
  const action = page.getByRole("dialog").getByRole("button", { name: "Delete worker" });
  assert.ok(await action.isDisabled());
  await page.getByLabel("Type gone to confirm").fill("gone");
  await action.click();
  await page.waitForURL(/\/workers$/);
  assert.equal(await page.getByRole("row", { name: /gone/ }).count(), 0);
  await page.context().close();
});

test("the overview has figures, says what is unhealthy and why, and what is stored", async () => {
  for (let count = 0; count < 6; count += 1) await visit("shop", "/throw");
  for (const [language, scheme, width] of [
    ["en", "light", 1280],
    ["zh", "dark", 390],
  ]) {
    const page = await hearth.open(`/a/${hearth.account}`, { language, scheme, width });
    await page.getByText(language === "en" ? "were answered with 5xx" : "以 5xx 应答").waitFor();
    await page.getByText(language === "en" ? "Durable Objects" : "Durable Objects").first().waitFor();
    await page.locator("canvas").first().waitFor();
    await page.waitForLoadState("networkidle");
    await hearth.axe(page);
    await hearth.fits(page);
    await hearth.shot(page, `overview-${language}-${scheme}-${width}`);
    assert.deepEqual(page.amiss, []);
    await page.context().close();
  }
});
