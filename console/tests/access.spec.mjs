// Access: a host is protected from a page, and asks from then on.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

let hearth;
before(async () => {
  hearth = await start();
  await hearth.deploy("admin", `export default { fetch() { return new Response("inside") } }`);
});
after(() => hearth?.stop());

/** How the worker's host answers. */
function visit(headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port: hearth.port, headers: { host: `admin.localhost:${hearth.port}`, ...headers } };
    const sent = request(options, (answer) => answer.resume().on("end", () => resolve(answer.statusCode)));
    sent.on("error", reject).end();
  });
}

test("a host asks for a service token that was made here, until it is open again", async () => {
  assert.equal(await visit(), 200);
  const page = await hearth.open(`/a/${hearth.account}/access`);
  await page.getByRole("heading", { name: "Everybody reaches every host" }).waitFor();
  await page.getByRole("button", { name: "Create service token" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("ci");
  await page.getByRole("dialog").getByRole("button", { name: "Create service token" }).click();
  const shown = await page.getByRole("dialog").locator("pre").innerText();
  const token = Object.fromEntries(shown.split("\n").map((line) => line.split(": ")));
  await hearth.axe(page);
  await page.getByRole("button", { name: "I have kept it" }).click();
  assert.ok(!(await page.content()).includes(token["CF-Access-Client-Secret"]), "it is shown once");

  await page.getByRole("button", { name: "Protect a host" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Administration");
  await dialog.getByLabel("Host and path").fill("admin.localhost");
  await dialog.getByRole("combobox", { name: "Decision" }).click();
  await page.getByRole("option", { name: "Let in programs" }).click();
  await dialog.getByRole("combobox", { name: "Rule" }).click();
  await page.getByRole("option", { name: "One service token" }).click();
  await dialog.getByRole("combobox", { name: "Value" }).click();
  await page.getByRole("option", { name: "ci" }).click();
  await hearth.axe(page);
  await hearth.shot(page, "access-form");
  await dialog.getByRole("button", { name: "Save application" }).click();
  await page.getByRole("heading", { level: 3, name: "Administration" }).waitFor();
  assert.ok([401, 403].includes(await visit()), "nobody is let in without it");
  assert.equal(await visit(token), 200);

  await page.getByRole("button", { name: "Rotate ci" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click();
  await page.getByRole("button", { name: "I have kept it" }).click();
  assert.notEqual(await visit(token), 200);

  await page.getByRole("button", { name: "Edit Administration" }).click();
  const again = page.getByRole("dialog");
  await again.getByRole("button", { name: "Add a rule: … but none of" }).click();
  const exclude = again.getByRole("group", { name: "… but none of" });
  await exclude.getByLabel("Value").fill("mallory@corp.test");
  await again.getByRole("button", { name: "Save application" }).click();
  // Programs have no addresses of mail: what the server says of that stands in the form.
  await again.getByRole("alert").waitFor();
  await exclude.getByRole("combobox", { name: "Rule" }).click();
  await page.getByRole("option", { name: "Network" }).click();
  await exclude.getByLabel("Value").fill("10.0.0.0/8");
  await again.getByRole("button", { name: "Save application" }).click();
  await again.waitFor({ state: "hidden" });
  const [app] = (await hearth.api("GET", `/client/v4/accounts/${hearth.account}/access/apps`)).result;
  assert.deepEqual(app.policies[0].exclude, [{ ip: { ip: "10.0.0.0/8" } }]);
  await hearth.look(`/a/${hearth.account}/access`, "access", (shown) => shown.getByText("Administration").waitFor());

  // A group is made, and a policy asks it.
  await page.getByRole("button", { name: "Create group" }).click();
  const group = page.getByRole("dialog");
  await group.getByLabel("Name").fill("Office");
  await group.getByRole("combobox", { name: "Rule" }).click();
  assert.equal(await page.getByRole("option", { name: "Group", exact: true }).count(), 0, "groups do not name one another");
  await page.getByRole("option", { name: "Network" }).click();
  await group.getByLabel("Value").fill("127.0.0.0/8");
  await group.getByRole("button", { name: "Save group" }).click();
  await page.getByRole("heading", { level: 3, name: "Office" }).waitFor();
  await page.getByRole("button", { name: "Edit Administration" }).click();
  const third = page.getByRole("dialog");
  await third.getByRole("combobox", { name: "Decision" }).click();
  await page.getByRole("option", { name: "Let in without asking" }).click();
  const include = third.getByRole("group", { name: "Whom it is about: any of" });
  await include.getByRole("combobox", { name: "Rule" }).click();
  await page.getByRole("option", { name: "Group", exact: true }).click();
  await include.getByRole("combobox", { name: "Value" }).click();
  await page.getByRole("option", { name: "Office" }).click();
  await third.getByRole("button", { name: "Save application" }).click();
  await third.waitFor({ state: "hidden" });
  assert.equal(await visit(), 200, "the office is let in without asking");
  await page.getByRole("button", { name: "Edit Office" }).click();
  await page.getByRole("dialog").getByLabel("Value").fill("192.0.2.0/24");
  await page.getByRole("dialog").getByRole("button", { name: "Save group" }).click();
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  assert.equal(await visit(), 403, "and elsewhere is no office");

  await page.getByRole("button", { name: "Delete Administration" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete application" }).click();
  await page.getByRole("heading", { name: "Everybody reaches every host" }).waitFor();
  assert.equal(await visit(), 200);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});
