// Pages: projects, a folder dropped and served, rollback, variables, domains; workers with assets.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;

let hearth;
let base;
/** What a host of this server answers. */
const get = (host, path = "/") =>
  new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: hearth.port, path, headers: { host: `${host}:${hearth.port}` } }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode, text, headers: answer.headers }));
    });
    asked.on("error", reject);
    asked.end();
  });
const project = async (name) => (await hearth.api("GET", `${base}/pages/projects/${name}`)).result;
const choose = async (page, files) => {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Choose files" }).click()]);
  await chooser.setFiles(files.map(([name, text, mimeType = "text/html"]) => ({ name, mimeType, buffer: Buffer.from(text) })));
};
const deployed = async (page) => {
  await page.getByRole("button", { name: "Deploy", exact: true }).click();
  await page.getByText("Deployed to").waitFor();
};

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
});
after(() => hearth?.stop());

test("a project is made, files are dropped into it and served, and it goes back to what it was", async () => {
  const page = await hearth.open(`/a/${hearth.account}/pages`);
  await page.getByText("No projects yet").waitFor();
  await hearth.axe(page);
  await page.getByRole("button", { name: "New project" }).first().click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("site");
  await page.getByRole("dialog").getByRole("button", { name: "Create project" }).click();
  await page.getByRole("tab", { name: "Upload" }).waitFor();
  await choose(page, [["style.css", "b{color:red}", "text/css"]]);
  await page.getByText("There is no index.html").waitFor();
  await page.getByRole("button", { name: "Choose others" }).click();
  await choose(page, [
    ["index.html", "<h1>first</h1>"],
    ["style.css", "b{color:red}", "text/css"],
    ["_headers", "/*\n  X-Site: one\n", "text/plain"],
  ]);
  await page.getByText("3 files").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "pages-upload");
  await deployed(page);
  const first = (await project("site")).canonical_deployment;
  const host = new URL(first.url).hostname;
  assert.match((await get(host)).text, /first/);
  assert.equal((await get(host)).headers["x-site"], "one");
  assert.match((await get(host, "/style.css")).headers["content-type"], /text\/css/);
  await choose(page, [["index.html", "<h1>second</h1>"]]);
  await deployed(page);
  const production = (await project("site")).subdomain.split(":")[0];
  assert.match((await get(production)).text, /second/);

  await page.getByRole("tab", { name: "Deployments" }).click();
  await page.getByRole("row", { name: new RegExp(first.short_id) }).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "pages-deployments");
  await page.getByRole("button", { name: `Actions ${first.short_id}` }).click();
  await page.getByRole("menuitem", { name: "Roll back to this" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Roll back to this" }).click();
  await page.getByText("is served in production").waitFor();
  assert.match((await get(production)).text, /first/);
  await page.getByRole("button", { name: `Actions ${first.short_id}` }).click();
  await page.getByRole("menuitem", { name: "Show log" }).click();
  await page.getByRole("dialog").getByLabel("Show log").or(page.getByText("It has no lines.")).first().waitFor();
  await hearth.shot(page, "pages-log");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("variables and secrets are set for production and for previews, and a secret is not shown again", async () => {
  await hearth.api("POST", `${base}/pages/projects`, { name: "vars", production_branch: "main" });
  const page = await hearth.open(`/a/${hearth.account}/pages/vars?tab=environment`);
  for (const [kind, name, value] of [["Text", "COLOUR", "red"], ["Secret", "KEY", "hidden-value"]]) {
    await page.getByRole("button", { name: "Add variable" }).click();
    const form = page.getByRole("dialog");
    await form.getByText(kind, { exact: true }).click();
    await form.getByRole("textbox", { name: "Variable" }).fill(name);
    await form.getByLabel("Value", { exact: true }).fill(value);
    await form.getByRole("button", { name: "Save" }).click();
    await page.getByRole("row", { name: new RegExp(name) }).waitFor();
  }
  await hearth.axe(page);
  await hearth.shot(page, "pages-environment");
  assert.equal(await page.getByText("hidden-value").count(), 0);
  const vars = (await project("vars")).deployment_configs.production.env_vars;
  assert.equal(vars.COLOUR.value, "red");
  assert.equal(vars.KEY.type, "secret_text");
  await page.getByText("Preview", { exact: true }).click();
  await page.getByText("No variables.").waitFor();
  await page.getByText("Production", { exact: true }).first().click();
  await page.getByRole("button", { name: "Delete COLOUR" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete variable" }).click();
  await page.getByRole("row", { name: /COLOUR/ }).waitFor({ state: "detached" });
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("domains come and go, in Chinese and on a phone", async () => {
  await hearth.api("POST", `${base}/pages/projects`, { name: "hosts", production_branch: "main" });
  const page = await hearth.open(`/a/${hearth.account}/pages/hosts?tab=domains`, { language: "zh", scheme: "dark", width: 390, height: 844 });
  await page.getByRole("button", { name: "添加域名" }).click();
  await page.getByRole("dialog").getByRole("textbox", { name: "域名" }).fill("www.example.test");
  await page.getByRole("dialog").getByRole("button", { name: "添加域名" }).click();
  await page.getByRole("row", { name: /www\.example\.test/ }).waitFor();
  await hearth.fits(page);
  await hearth.axe(page);
  await hearth.shot(page, "pages-domains-phone-zh");
  await page.getByRole("button", { name: "删除 www.example.test" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "移除域名" }).click();
  await page.getByText("没有自己的域名").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("messages of deployments are text, and a project is deleted by its typed name", async () => {
  await hearth.api("POST", `${base}/pages/projects`, { name: "evil", production_branch: "main" });
  const form = new FormData();
  form.set("manifest", "{}");
  form.set("branch", "main");
  form.set("commit_message", EVIL);
  await hearth.api("POST", `${base}/pages/projects/evil/deployments`, form);
  const page = await hearth.open(`/a/${hearth.account}/pages/evil`);
  await page.getByText(EVIL).waitFor();
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Type evil to confirm").fill("evil");
  await page.getByRole("dialog").getByRole("button", { name: "Delete project" }).click();
  await page.getByRole("heading", { name: "Pages" }).waitFor();
  await page.getByRole("link", { name: "evil" }).waitFor({ state: "detached" });
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("its pages look right in both languages, light and dark, and on a phone", async () => {
  const path = `/a/${hearth.account}/pages`;
  await hearth.look(path, "pages", (page) => page.getByRole("grid").waitFor());
  for (const tab of ["deployments", "upload", "domains", "environment"]) {
    await hearth.look(`${path}/site?tab=${tab}`, `pages-${tab}`, (page) => page.getByRole("tabpanel").waitFor());
  }
});
