// The audit log: every change is found, with what was there before and after, and without secrets.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

let hearth;
before(async () => {
  hearth = await start();
  const rules = (path, net) => hearth.api("PUT", `/client/v4${path}/egress`, { allow: [{ net }], hosts: {} });
  await rules(`/accounts/${hearth.account}/hearth`, "10.1.0.0/16");
  await rules(`/accounts/${hearth.account}/hearth`, "10.2.0.0/16");
  await rules("/installation", "10.3.0.0/16");
  await hearth.deploy("hello", `export default { fetch() { return new Response("hi") } }`);
  const secret = { name: "KEY", text: "hunter2-hunter2", type: "secret_text" };
  await hearth.api("PUT", `/client/v4/accounts/${hearth.account}/workers/scripts/hello/secrets`, secret);
});
after(() => hearth?.stop());

test("a change is shown with what was there before and after", async () => {
  const page = await hearth.open(`/a/${hearth.account}/audit`);
  await page.getByRole("row", { name: /Replace account egress/ }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("cell", { name: "10.1.0.0/16" }).waitFor();
  await dialog.getByRole("cell", { name: "10.2.0.0/16" }).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "audit-entry");
  await page.keyboard.press("Escape");
  assert.ok(!(await page.content()).includes("hunter2"));
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("what was done is said in the language of the page", async () => {
  const page = await hearth.open(`/a/${hearth.account}/audit`, { language: "zh" });
  await page.getByRole("row", { name: /替换账户出站规则/ }).first().click();
  await page.getByRole("dialog", { name: "替换账户出站规则" }).waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("filters narrow it down", async () => {
  const page = await hearth.open(`/a/${hearth.account}/audit`);
  const lines = page.getByRole("row", { name: /egress|secret|worker/i });
  await lines.first().waitFor();
  await page.getByLabel("Until").fill("2020-01-01");
  await page.getByRole("heading", { name: "Nothing was changed" }).waitFor();
  await page.getByLabel("Until").fill("");
  await lines.first().waitFor();
  await page.getByLabel("Person").fill("nobody@corp.test");
  await page.getByRole("heading", { name: "Nothing was changed" }).waitFor();
  await page.context().close();
});

test("the installation's own log, and with it everybody's", async () => {
  const page = await hearth.open("/installation/audit");
  await page.getByRole("row", { name: /Replace installation egress/ }).waitFor();
  assert.equal(await page.getByRole("row", { name: /Replace account egress/ }).count(), 0);
  await page.getByLabel("With those of accounts").click();
  await page.getByRole("row", { name: /Replace account egress/ }).first().waitFor();
  await page.context().close();
});

test("the log looks right everywhere", async () => {
  await hearth.look(`/a/${hearth.account}/audit`, "audit", (page) => page.getByRole("row").nth(2).waitFor());
});
