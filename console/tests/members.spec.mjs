// Accounts, and who works in them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

/** What others write is text here, too. */
const EVIL = `<img src="x" onerror="window.ran = true">`;

let hearth;
before(async () => {
  hearth = await start();
  await hearth.deploy("reports", `export default { fetch() { return new Response("hi") } }`);
});
after(() => hearth?.stop());

test("an account is made, renamed and deleted by its typed name", async () => {
  const page = await hearth.open("/installation/accounts");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Payments");
  await page.getByRole("dialog").getByRole("button", { name: "Create account" }).click();
  await page.getByRole("row", { name: /Payments/ }).waitFor();
  await page.getByRole("button", { name: "What to do with Payments" }).click();
  await page.getByRole("menuitem", { name: "Rename" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill(EVIL);
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  const row = page.getByRole("row").filter({ hasText: EVIL });
  await row.waitFor();
  assert.equal(await page.locator('img[src="x"]').count(), 0);
  await row.getByRole("button").click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill(EVIL);
  await page.getByRole("dialog").getByRole("button", { name: "Delete account" }).click();
  await row.waitFor({ state: "detached" });
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
  await hearth.look("/installation/accounts", "accounts", (shown) => shown.getByRole("row").nth(1).waitFor());
});

test("a member is invited, gets another role, and is removed", async () => {
  const page = await hearth.open(`/a/${hearth.account}/members`);
  await page.getByRole("button", { name: "Invite somebody" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("E-mail address").fill("gil@corp.test");
  await hearth.axe(page);
  await dialog.getByRole("button", { name: "Invite somebody" }).click();
  await page.getByRole("row", { name: /gil@corp\.test/ }).waitFor();
  await page.getByRole("combobox", { name: "Role of gil@corp.test" }).click();
  await page.getByRole("option", { name: "Viewer" }).click();
  await page.getByText("gil@corp.test has another role now.").waitFor();
  const [member] = (await hearth.api("GET", `/client/v4/accounts/${hearth.account}/members`)).result;
  assert.match(member.roles[0].name, /viewer/i);
  await hearth.look(`/a/${hearth.account}/members`, "members", (shown) => shown.getByText("gil@corp.test").first().waitFor());
  await page.getByRole("button", { name: "Remove gil@corp.test" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove member" }).click();
  await page.getByRole("row", { name: /gil@corp\.test/ }).waitFor({ state: "detached" });
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

