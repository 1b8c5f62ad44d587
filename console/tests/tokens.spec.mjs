// API tokens, an account's and one's own.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

/** What others write is text here, too. */
const EVIL = `<img src="x" onerror="window.ran = true">`;

let hearth;
let signedIn;
before(async () => {
  // Without --dev, where who shows no good token would be let in as somebody of this machine.
  hearth = await start({ dev: false });
  signedIn = { context: { extraHTTPHeaders: { authorization: `Bearer ${hearth.token}` } } };
  await hearth.deploy("reports", `export default { fetch() { return new Response("hi") } }`);
});
after(() => hearth?.stop());

const as = async (token, path) => {
  const answer = await fetch(`http://127.0.0.1:${hearth.port}/client/v4${path}`, { headers: { authorization: `Bearer ${token}` } });
  return answer.status;
};

test("a token is made for one worker, shown once, rolled, disabled and revoked", async () => {
  const page = await hearth.open(`/a/${hearth.account}/tokens`, signedIn);
  await page.getByRole("heading", { name: "No tokens yet" }).waitFor();
  await page.getByRole("button", { name: "Create token" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("ci");
  await dialog.getByRole("textbox", { name: "Permissions" }).or(dialog.getByRole("combobox", { name: "Permissions" })).first().click();
  await page.getByRole("option", { name: "Workers Scripts Write" }).click();
  await page.keyboard.press("Escape");
  await dialog.getByRole("combobox", { name: "On", exact: true }).click();
  await page.getByRole("option", { name: "One worker" }).click();
  await dialog.getByRole("combobox", { name: "Which" }).click();
  await page.getByRole("option", { name: "reports" }).click();
  await dialog.getByLabel("Expires on").fill("2099-01-01");
  await dialog.getByLabel("Only from").fill("127.0.0.0/8");
  await hearth.axe(page);
  await hearth.shot(page, "token-form");
  await dialog.getByRole("button", { name: "Create token" }).click();
  const value = await page.getByRole("dialog").locator("pre").innerText();
  await hearth.axe(page);
  await hearth.shot(page, "token-once");
  await page.getByRole("button", { name: "I have kept it" }).click();
  await page.getByRole("row", { name: /ci.*Active/ }).waitFor();
  assert.ok(!(await page.content()).includes(value), "it is shown once");
  const worker = `/accounts/${hearth.account}/workers/scripts/reports`;
  assert.equal(await as(value, `${worker}/settings`), 200);
  assert.equal(await as(value, `/accounts/${hearth.account}/storage/kv/namespaces`), 403);

  const choose = async (item) => {
    await page.getByRole("button", { name: "What to do with ci" }).click();
    await page.getByRole("menuitem", { name: item }).click();
  };
  await choose("Roll");
  await page.getByRole("dialog").getByRole("button", { name: "Roll" }).click();
  const next = await page.getByRole("dialog").locator("pre").innerText();
  await page.getByRole("button", { name: "I have kept it" }).click();
  assert.equal(await as(value, `${worker}/settings`), 401);
  assert.equal(await as(next, `${worker}/settings`), 200);
  await choose("Disable");
  await page.getByRole("row", { name: /ci.*Disabled/ }).waitFor();
  assert.equal(await as(next, `${worker}/settings`), 401);
  await choose("Enable");
  await page.getByRole("row", { name: /ci.*Active/ }).waitFor();
  assert.equal(await as(next, `${worker}/settings`), 200);

  // Its terms stay when only its name changes.
  await choose("Edit");
  await page.getByRole("dialog").getByLabel("Name").fill(EVIL);
  await page.getByRole("dialog").getByRole("button", { name: "Save token" }).click();
  await page.getByRole("row").filter({ hasText: EVIL }).waitFor();
  const [kept] = (await hearth.api("GET", `/client/v4/accounts/${hearth.account}/tokens`)).result;
  assert.deepEqual(kept.condition.request_ip.in, ["127.0.0.0/8"]);
  assert.equal(kept.expires_on, "2099-01-01T00:00:00Z");
  assert.equal(await as(next, `${worker}/settings`), 200);
  await hearth.look(`/a/${hearth.account}/tokens`, "tokens", (shown) => shown.getByText(EVIL).waitFor(), signedIn);
  assert.equal(await page.locator('img[src="x"]').count(), 0);

  await page.getByRole("row").filter({ hasText: EVIL }).getByRole("button").click();
  await page.getByRole("menuitem", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("heading", { name: "No tokens yet" }).waitFor();
  assert.equal(await as(next, `${worker}/settings`), 401);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("one's own tokens are made the same way, on every account", async () => {
  const page = await hearth.open("/me/tokens", signedIn);
  await page.getByRole("button", { name: "Create token" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("laptop");
  await dialog.getByRole("textbox", { name: "Permissions" }).or(dialog.getByRole("combobox", { name: "Permissions" })).first().click();
  await page.getByRole("option", { name: "Workers KV Storage Read" }).click();
  await page.keyboard.press("Escape");
  await dialog.getByRole("button", { name: "Create token" }).click();
  const value = await page.getByRole("dialog").locator("pre").innerText();
  assert.equal(await as(value, `/accounts/${hearth.account}/storage/kv/namespaces`), 200);
  assert.equal(await as(value, `/accounts/${hearth.account}/d1/database`), 403);
  await page.context().close();
});
