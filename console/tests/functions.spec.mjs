// Functions of the three kinds: written, tried, changed, measured, rolled back and deleted.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;

let hearth;
const open = (path, options) => hearth.open(`/a/${hearth.account}/functions${path}`, options);
/** What a host of this server answers. */
const get = (host, path = "/") =>
  new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port: hearth.port, path, headers: { host: `${host}:${hearth.port}` } }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    asked.on("error", reject);
    asked.end();
  });
const write = async (page, text, label = "Code") => {
  await page.getByRole("textbox", { name: label }).click();
  await page.keyboard.press("Control+a");
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(text);
};
/** Whether this machine can run a runtime's functions. */
const runs = async (runtime, code) => {
  try {
    const made = await hearth.api("POST", "/api/v1/functions", { name: `probe-${runtime}`, runtime, handler: "handler", code });
    await hearth.api("DELETE", `/api/v1/functions/${made.id}`);
    return true;
  } catch {
    return false;
  }
};

before(async () => {
  hearth = await start();
});
after(() => hearth?.stop());

test("without any, the page says how to get one; a new one begins with a template of each runtime", async () => {
  const page = await open("");
  await page.getByText("No functions yet").waitFor();
  await hearth.axe(page);
  await page.getByRole("button", { name: "New function" }).first().click();
  await page.getByRole("textbox", { name: "Code" }).getByText("function handler").waitFor();
  for (const [runtime, text] of [["Python", "def handler"], ["Go", "func handler"], ["Node.js with TypeScript", "interface Greeting"]]) {
    await page.getByRole("combobox", { name: "Runtime" }).click();
    await page.getByRole("option", { name: runtime, exact: true }).click();
    await page.getByRole("textbox", { name: "Code" }).getByText(text).waitFor();
  }
  await hearth.axe(page);
  await hearth.shot(page, "functions-new");
  await write(page, "mine");
  await page.getByRole("combobox", { name: "Runtime" }).click();
  await page.getByRole("option", { name: "Python", exact: true }).click();
  await page.getByRole("dialog").getByText("Your code is lost.").waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("textbox", { name: "Code" }).getByText("mine").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a function with a route is written, tried, changed, measured and deleted", async () => {
  const page = await open("/new?tab=routed");
  await page.getByRole("textbox", { name: "Name" }).fill("greet");
  await page.getByRole("textbox", { name: "Route" }).fill("/greet");
  await page.getByLabel("GET", { exact: true }).check();
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByLabel("Variable 1").fill("WHO");
  await page.getByLabel("Value 1").fill("Hearth");
  await write(page, "function handler(request, { env }) { console.log('said it'); return { hello: env.get('WHO') }; }");
  await hearth.axe(page);
  await page.getByRole("button", { name: "Create function" }).click();
  await page.getByRole("heading", { level: 1, name: "greet" }).waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText(`"hello": "Hearth"`).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "functions-routed");
  await write(page, "function handler() { return 'changed'; }");
  await page.getByRole("button", { name: "Save and deploy" }).click();
  await page.getByText("greet is deployed").waitFor();
  const answer = await fetch(`${hearth.origin}/fn/greet`);
  assert.equal(await answer.text(), "changed");
  await page.getByRole("tab", { name: "Statistics" }).click();
  await page.getByText("99th percentile").waitFor();
  await page.getByRole("tab", { name: "Settings" }).click();
  await page.getByRole("textbox", { name: "Route" }).fill("/other");
  await page.getByRole("button", { name: "Save and deploy" }).click();
  await page.getByText("Settings saved").waitFor();
  assert.equal((await fetch(`${hearth.origin}/fn/other`)).status, 200);
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("dialog").getByLabel("Type greet to confirm").fill("greet");
  await page.getByRole("dialog").getByRole("button", { name: "Delete function" }).click();
  await page.getByText("No functions yet").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a function with versions is deployed twice, tried, rolled back, and loses a version", async () => {
  const page = await open("/new?tab=versioned");
  await page.getByRole("textbox", { name: "Name" }).fill("hello");
  await page.getByRole("textbox", { name: "Version" }).fill("v1");
  await page.getByRole("textbox", { name: "Alias" }).fill("stable");
  await write(page, "export default { fetch() { return new Response('one') } }");
  await page.getByRole("button", { name: "Create function" }).click();
  await page.getByRole("heading", { level: 1, name: "hello" }).waitFor();
  await page.getByRole("tab", { name: "Code and test" }).click();
  await page.getByText("new Response").waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByLabel("Answer").or(page.getByText("one", { exact: true })).first().waitFor();
  await page.getByRole("textbox", { name: "Version" }).fill("v2");
  await write(page, "export default { fetch() { return new Response('two') } }");
  await page.getByRole("button", { name: "Deploy as a new version" }).click();
  await page.getByText("hello v2 is deployed").waitFor();
  assert.equal((await get("hello.localhost")).text, "two");
  await page.getByRole("tab", { name: "Versions" }).click();
  await page.getByRole("row", { name: /v1/ }).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "functions-versions");
  await page.getByRole("row", { name: /v1/ }).getByRole("button", { name: "Make latest" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Make latest" }).click();
  await page.getByText("v1 is the latest").waitFor();
  assert.equal((await get("hello.localhost")).text, "one");
  await page.getByRole("button", { name: "Actions v2" }).click();
  await page.getByRole("menuitem", { name: "Delete version" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete version" }).click();
  await page.getByRole("row", { name: /v2/ }).waitFor({ state: "detached" });
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("functions in Node.js and Python are written, tried with event and context, changed, and on record", async (t) => {
  const python = "def handler(event, context):\n    print('in', context['user'])\n    return {'sum': sum(event['data'])}\n";
  for (const [runtime, name, code] of [
    ["Node.js", "adds", "function handler(event, context) { console.log('in', context.user); return { sum: event.data.reduce((a, b) => a + b, 0) }; }"],
    ["Python", "sums", python],
  ]) {
    if (!(await runs(runtime === "Python" ? "python" : "nodejs", code))) {
      t.skip(`${runtime} is not on this machine, or it isolates too little`);
      continue;
    }
    const page = await open("/new");
    await page.getByRole("textbox", { name: "Name" }).fill(name);
    await page.getByRole("combobox", { name: "Runtime" }).click();
    await page.getByRole("option", { name: runtime, exact: true }).click();
    await write(page, code);
    await page.getByRole("button", { name: "Create function" }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
    await page.getByRole("textbox", { name: "Code" }).getByText("sum").first().waitFor();
    await write(page, `{"data": [1, 2, 3]}`, "Event");
    await write(page, `{"user": "me"}`, "Context");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText(`"sum": 6`).waitFor();
    await page.getByLabel("1 line logged").getByText("in me").waitFor();
    await hearth.axe(page);
    await hearth.shot(page, `functions-run-${name}`);
    await write(page, `{"data": 1}`, "Event");
    await page.getByRole("button", { name: "Run" }).click();
    await page.getByText("TypeError").first().waitFor();
    await page.getByRole("tab", { name: "Calls" }).click();
    await page.getByRole("row", { name: /TypeError/ }).click();
    await page.getByRole("dialog").getByText("TypeError").first().waitFor();
    await hearth.axe(page);
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: "Statistics" }).click();
    await page.getByText("95th percentile").waitFor();
    await page.getByText("TypeError").waitFor();
    await hearth.axe(page);
    await hearth.shot(page, `functions-stats-${name}`);
    await page.getByRole("tab", { name: "Settings" }).click();
    await page.getByLabel("Timeout, s").fill("7");
    await page.getByRole("button", { name: "Save and deploy" }).click();
    await page.getByText("Settings saved").waitFor();
    const [known] = (await hearth.api("GET", "/api/v1/functions")).functions.filter((one) => one.name === name);
    assert.equal(known.timeout, 7);
    assert.deepEqual(page.amiss, []);
    await page.context().close();
  }
});

test("another account's functions and templates are its own: seen, made, changed and called there", async () => {
  const { id: team } = (await hearth.api("POST", "/client/v4/accounts", { name: "team" })).result;
  await hearth.api("POST", "/api/functions", { name: "firsts", code: "function handler() { return 1 }" });
  const page = await hearth.open(`/a/${team}/functions`);
  await page.getByText("No functions yet").waitFor();
  await page.goto(`${hearth.origin}/a/${team}/functions/new?tab=routed`);
  await page.getByRole("textbox", { name: "Name" }).fill("firsts");
  await page.getByRole("button", { name: "Create function" }).click();
  // Its usual route is taken, and not a word on whose it is.
  await page.getByRole("alert").getByText("is taken").waitFor();
  await page.getByRole("textbox", { name: "Route" }).fill("/teams");
  await write(page, "function handler() { return 'of the team'; }");
  await page.getByRole("button", { name: "Create function" }).click();
  await page.getByRole("heading", { level: 1, name: "firsts" }).waitFor();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText("of the team", { exact: true }).waitFor();
  await write(page, "function handler() { return 'changed'; }");
  await page.getByRole("button", { name: "Save and deploy" }).click();
  await page.getByText("firsts is deployed").waitFor();
  assert.equal(await (await fetch(`${hearth.origin}/fn/teams`)).text(), "changed");

  await page.goto(`${hearth.origin}/a/${team}/functions/new?tab=versioned`);
  await page.getByRole("textbox", { name: "Name" }).fill("both");
  await page.getByRole("textbox", { name: "Version" }).fill("v1");
  await page.getByRole("button", { name: "Create function" }).click();
  await page.getByRole("heading", { level: 1, name: "both" }).waitFor();
  assert.equal((await get("both.team.localhost")).status, 200);
  assert.equal((await get("both.localhost")).status, 404);

  await page.goto(`${hearth.origin}/a/${team}/new-worker`);
  await page.getByRole("radio", { name: /Queue Consumer/ }).click();
  await page.getByRole("textbox", { name: "Name" }).fill("teams-queue");
  await page.getByRole("button", { name: "Create and deploy" }).click();
  await page.waitForURL(/teams-queue\/edit/);
  const { result: queues } = await hearth.api("GET", `/client/v4/accounts/${team}/queues`);
  assert.deepEqual(queues.map(({ queue_name: name }) => name), ["teams-queue-queue"]);

  await page.goto(`${hearth.origin}/a/${team}/functions`);
  await page.getByRole("link", { name: "both" }).waitFor();
  assert.equal(await page.getByRole("row").count(), 3);
  await hearth.axe(page);
  await page.goto(`${hearth.origin}/a/${hearth.account}/functions`);
  await page.getByRole("link", { name: "firsts" }).waitFor();
  assert.equal(await page.getByRole("link", { name: "both" }).count(), 0);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("on a phone and in Chinese the list fits; code that is no code is refused where it was written", async () => {
  await hearth.api("POST", "/api/functions", { name: "listed", code: "function handler() { return 1 }" });
  const page = await open("", { language: "zh", scheme: "dark", width: 390, height: 844 });
  await page.getByRole("link", { name: "listed" }).waitFor();
  await hearth.fits(page);
  await hearth.axe(page);
  await hearth.shot(page, "functions-phone-zh");
  await page.goto(`${hearth.origin}/a/${hearth.account}/functions/new?tab=routed`);
  await page.getByRole("textbox", { name: "名称" }).fill("bad");
  await write(page, "function (", "代码");
  await page.getByRole("button", { name: "创建函数" }).click();
  await page.getByRole("alert").waitFor();
  await hearth.fits(page);
  await page.context().close();
});

test("routes, variables, results and logs are text, whatever they hold", async () => {
  await hearth.api("POST", "/api/functions", {
    name: "evil",
    env: { HTML: EVIL },
    code: `function handler() { console.log(${JSON.stringify(EVIL)}); return ${JSON.stringify(EVIL)}; }`,
  });
  const page = await open("");
  await page.getByRole("link", { name: "evil" }).click();
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByText(EVIL, { exact: true }).first().waitFor();
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("their pages look right in both languages, light and dark, and on a phone", async () => {
  const routed = await hearth.api("POST", "/api/functions", { name: "looks", code: "function handler() { return 1 }" });
  await hearth.api("POST", "/api/deploy/looks", { runtime: "js", version: "v1", alias: "stable", code: "export default { fetch() { return new Response('one') } }" });
  const path = `/a/${hearth.account}/functions`;
  const editor = (page) => page.locator(".cm-editor").first().waitFor();
  await hearth.look(path, "functions", (page) => page.getByRole("grid").waitFor());
  for (const kind of ["run", "routed", "versioned"]) await hearth.look(`${path}/new?tab=${kind}`, `functions-new-${kind}`, editor);
  await hearth.look(`${path}/routed/${routed.id}`, "functions-routed", editor);
  await hearth.look(`${path}/routed/${routed.id}?tab=settings`, "functions-routed-settings", (page) => page.getByRole("tabpanel").waitFor());
  await hearth.look(`${path}/versioned/looks`, "functions-versioned", (page) => page.getByRole("grid").waitFor());
  await hearth.look(`${path}/versioned/looks?tab=code`, "functions-versioned-code", editor);
});
