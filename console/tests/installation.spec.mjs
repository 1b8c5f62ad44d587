// What belongs to whoever answers for the installation: its machines, and what its workers may reach.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

let hearth;
before(async () => {
  hearth = await start();
  await hearth.deploy("reports", `export default { fetch() { return new Response("hi") } }`);
});
after(() => hearth?.stop());

test("nodes show what hearth doctor finds", async () => {
  const [node] = (await hearth.api("GET", "/client/v4/installation/nodes")).result;
  await hearth.look("/installation/nodes", "nodes", (page) => page.getByText(node.version, { exact: true }).waitFor());
  const page = await hearth.open("/installation/nodes");
  for (const { name, detail } of node.findings) {
    await page.getByRole("listitem").filter({ hasText: name }).filter({ hasText: detail }).first().waitFor();
  }
  await page.context().close();
});

test("a network and a name are opened and closed again, for an account, a worker and the installation", async () => {
  const account = hearth.account;
  const rules = (path) => hearth.api("GET", `/client/v4${path}`).then(({ result }) => result);
  const places = [
    { page: `/a/${account}/egress`, api: `/accounts/${account}/hearth/egress` },
    { page: `/a/${account}/egress`, api: `/accounts/${account}/workers/scripts/reports/hearth/egress`, worker: "reports" },
    { page: "/installation/egress", api: "/installation/egress" },
  ];
  for (const place of places) {
    const page = await hearth.open(place.page);
    await page.getByRole("heading", { level: 1, name: "Egress rules" }).waitFor();
    if (place.worker !== undefined) {
      await page.getByText("One worker").click();
      await page.getByRole("combobox", { name: "Worker" }).click();
      await page.getByRole("option", { name: place.worker }).click();
    }
    await page.getByText("No network is open").waitFor();

    await page.getByRole("button", { name: "Open a network" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Network").fill("not a network");
    await dialog.getByText("This is no address").waitFor();
    await dialog.getByLabel("Network").fill("10.20.0.0/16");
    await dialog.getByLabel("Ports").fill("443, 5432");
    await hearth.axe(page);
    await dialog.getByRole("button", { name: "Open a network" }).click();
    await page.getByRole("row", { name: "10.20.0.0/16" }).waitFor();
    await page.getByRole("button", { name: "Add a name" }).click();
    await page.getByRole("dialog").getByLabel("Name").fill("db.corp.test");
    await page.getByRole("dialog").getByLabel("Address").fill("nonsense");
    await page.getByRole("dialog").getByRole("button", { name: "Add a name" }).click();
    // What the server says of it is shown where one can mend it.
    await page.getByRole("dialog").getByRole("alert").waitFor();
    await page.getByRole("dialog").getByLabel("Address").fill("10.20.3.4:5432");
    await page.getByRole("dialog").getByRole("button", { name: "Add a name" }).click();
    await page.getByRole("row", { name: "db.corp.test" }).waitFor();
    assert.deepEqual(await rules(place.api), {
      allow: [{ net: "10.20.0.0/16", ports: [443, 5432] }],
      hosts: { "db.corp.test": "10.20.3.4:5432" },
    });

    for (const [button, action] of [["Close 10.20.0.0/16", "Close network"], ["Forget db.corp.test", "Forget name"]]) {
      await page.getByRole("button", { name: button }).click();
      await page.getByRole("dialog").getByRole("button", { name: action }).click();
      await page.getByRole("dialog").waitFor({ state: "hidden" });
    }
    await page.getByText("No network is open").waitFor();
    await page.getByText("No name is known").waitFor();
    assert.equal(await rules(place.api), null);
    assert.deepEqual(page.amiss, []);
    await page.context().close();
  }
});

test("egress rules look right everywhere", async () => {
  const rules = { allow: [{ net: "10.20.0.0/16", ports: [443] }, { net: "fd00::/8" }], hosts: { "db.corp.test": "10.20.3.4" } };
  await hearth.api("PUT", `/client/v4/accounts/${hearth.account}/hearth/egress`, rules);
  await hearth.look(`/a/${hearth.account}/egress`, "egress", (page) => page.getByText("fd00::/8").waitFor());
});

test("a provider of single sign-on is added with its mapping, changed and removed", async () => {
  const page = await hearth.open("/installation/sign-in");
  await page.getByRole("heading", { name: "No single sign-on yet" }).waitFor();
  await page.getByRole("button", { name: "Add a provider" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("Corp");
  await dialog.getByLabel("Id", { exact: true }).fill("corp");
  await dialog.getByLabel("Issuer").fill("https://id.corp.test");
  await dialog.getByLabel("Client id").fill("hearth");
  await dialog.getByLabel("Client secret", { exact: true }).fill("a secret of some length");
  await dialog.getByRole("button", { name: "Add a rule" }).click();
  await dialog.getByLabel("Group", { exact: true }).fill("platform");
  await hearth.axe(page);
  await hearth.shot(page, "provider-form");
  await dialog.getByRole("button", { name: "Save provider" }).click();
  await page.getByRole("heading", { level: 2, name: "Corp" }).waitFor();
  await page.getByText(`${hearth.origin}/api/session/oidc/corp/callback`).waitFor();
  let [kept] = (await hearth.api("GET", "/api/signin/providers")).providers;
  assert.deepEqual([kept.has_secret, kept.mapping], [true, [{ group: "platform", operator: true }]]);
  await page.getByRole("button", { name: "Edit Corp" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Corporation");
  await page.getByRole("dialog").getByRole("button", { name: "Save provider" }).click();
  await page.getByRole("heading", { level: 2, name: "Corporation" }).waitFor();
  [kept] = (await hearth.api("GET", "/api/signin/providers")).providers;
  assert.equal(kept.has_secret, true, "it keeps the secret that was not typed again");
  await page.context().close();
  await hearth.look("/installation/sign-in", "providers", (shown) => shown.getByText("Corporation").first().waitFor());

  const again = await hearth.open("/installation/sign-in");
  await again.getByRole("button", { name: "Delete Corporation" }).click();
  await again.getByRole("dialog").getByRole("button", { name: "Delete provider" }).click();
  await again.getByRole("heading", { name: "No single sign-on yet" }).waitFor();
  await again.context().close();
});

test("limits are set and lifted, beside what is in use", async () => {
  const quotas = () => hearth.api("GET", `/client/v4/accounts/${hearth.account}/hearth/quotas`).then(({ result }) => result);
  const page = await hearth.open(`/a/${hearth.account}/quotas`);
  await page.getByText("1 used").first().waitFor();
  await page.getByRole("button", { name: "Change limits" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("combobox", { name: "Workers, functions and Pages projects" }).click();
  await page.getByRole("option", { name: "At most" }).click();
  await dialog.getByLabel("Workers, functions and Pages projects: at most").fill("4");
  await hearth.axe(page);
  await dialog.getByRole("button", { name: "Save limits" }).click();
  await page.getByText("1 of 4").waitFor();
  assert.deepEqual((await quotas()).workers, { limit: 4, used: 1, own: true });
  await page.context().close();
  await hearth.look(`/a/${hearth.account}/quotas`, "quotas", (shown) => shown.getByText(/1 of 4|已用 1，上限 4/).waitFor());

  const again = await hearth.open(`/a/${hearth.account}/quotas`);
  await again.getByRole("button", { name: "Change limits" }).click();
  await again.getByRole("dialog").getByRole("combobox", { name: "Workers, functions and Pages projects" }).click();
  await again.getByRole("option", { name: "As for every account" }).click();
  await again.getByRole("dialog").getByRole("button", { name: "Save limits" }).click();
  await again.getByText("1 used").first().waitFor();
  assert.equal((await quotas()).workers.own, false);
  await again.context().close();
});
