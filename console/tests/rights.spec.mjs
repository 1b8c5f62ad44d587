// What a caller may not do is not offered: every page, as each role sees it.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { start } from "./harness.mjs";

const SHOP = `
import { WorkflowEntrypoint, DurableObject } from "cloudflare:workers";
export class Order extends WorkflowEntrypoint {
  async run(event, step) {
    await step.waitForEvent("wait for payment", { type: "paid", timeout: "1 hour" });
  }
}
export class Counter extends DurableObject {
  fetch() { return new Response("1"); }
}
export default { fetch() { return new Response("hi"); }, scheduled() {}, queue() {} };
`;
const VERSION = (answer) => `export default { fetch() { return new Response("${answer}"); } };`;

const SOURCES = fileURLToPath(new URL("../src", import.meta.url));
const ROLES = ["viewer", "developer", "admin", "owner"];

/** What only looks, on any page. Others say for themselves what only looks in them. */
const LOOKS = ["Do this from a shell", "Copy", "Try again"];

let hearth;
let base;
const known = {};
/** The pages of those who are signed in, by their role. */
const pages = {};

async function signIn(role) {
  const memberships = [{ account: hearth.account, role }];
  const user = await hearth.api("POST", "/api/users", { email: `${role}@corp.test`, name: role, memberships });
  const { url } = await hearth.api("POST", `/api/users/${user.id}/invitation`);
  const page = await hearth.open(new URL(url).pathname);
  await page.getByLabel("New password", { exact: true }).fill("correct horse");
  await page.getByLabel("The same again").fill("correct horse");
  await page.getByRole("button", { name: "Set password" }).click();
  await page.waitForURL((at) => !at.pathname.startsWith("/invitation"));
  return page;
}

before(async () => {
  hearth = await start({ dev: false });
  base = `/client/v4/accounts/${hearth.account}`;
  const call = async (method, path, sent) => (await hearth.api(method, `${base}${path}`, sent)).result;
  const shop = {
    bindings: [
      { type: "workflow", name: "ORDERS", workflow_name: "orders", class_name: "Order" },
      { type: "durable_object_namespace", name: "COUNTER", class_name: "Counter" },
      { type: "plain_text", name: "GREETING", text: "hello" },
    ],
  };
  await hearth.deploy("shop", SHOP, { ...shop, migrations: { new_tag: "v1", steps: [{ new_sqlite_classes: ["Counter"] }] } });
  await hearth.deploy("shop", SHOP, shop);
  await call("PUT", "/workers/scripts/shop/secrets", { name: "KEY", text: "secret", type: "secret_text" });
  await call("PUT", "/workers/scripts/shop/schedules", [{ cron: "0 4 * * *" }]);
  await call("PUT", "/workers/domains", { hostname: "shop.example.com", service: "shop" });
  await call("PUT", "/workers/scripts/shop/routes", [{ pattern: "example.com/shop/*" }]);
  await call("POST", "/workers/scripts/shop/hearth/tokens", { name: "ci" });
  await call("PUT", "/workflows/orders", { script_name: "shop", class_name: "Order" });
  known.instance = (await call("POST", "/workflows/orders/instances", { params: {} })).id;
  known.objects = (await call("GET", "/workers/durable_objects/namespaces"))[0].id;
  known.namespace = (await call("POST", "/storage/kv/namespaces", { title: "sessions" })).id;
  await hearth.api("PUT", `${base}/storage/kv/namespaces/${known.namespace}/values/greeting`, "hello");
  await call("POST", "/r2/buckets", { name: "photos" });
  await hearth.api("PUT", `${base}/r2/buckets/photos/objects/beach.txt`, "sand", { "content-type": "text/plain" });
  known.database = (await call("POST", "/d1/database", { name: "books" })).uuid;
  await call("POST", `/d1/database/${known.database}/query`, { sql: "CREATE TABLE book (title)" });
  known.queue = (await call("POST", "/queues", { queue_name: "mails" })).queue_id;
  await call("POST", `/queues/${known.queue}/consumers`, { type: "http_pull" });
  await call("POST", `/queues/${known.queue}/messages`, { body: "a letter", content_type: "text" });
  await call("POST", "/pages/projects", { name: "site", production_branch: "main" });
  await call("POST", "/pages/projects/site/domains", { name: "www.example.com" });
  await call("PATCH", "/pages/projects/site", { deployment_configs: { production: { env_vars: { GREETING: { type: "plain_text", value: "hi" } } } } });
  for (const _ of [1, 2]) {
    const form = new FormData();
    form.set("manifest", "{}");
    form.set("branch", "main");
    const { short_id: id } = await call("POST", "/pages/projects/site/deployments", form);
    (known.deployments ??= []).unshift(id);
  }
  await call("POST", "/access/service_tokens", { name: "robot" });
  await call("POST", "/access/groups", { name: "staff", include: [{ email_domain: { domain: "corp.test" } }] });
  await call("POST", "/access/apps", {
    name: "Administration",
    type: "self_hosted",
    domain: "admin.localhost",
    policies: [{ name: "all", decision: "allow", include: [{ everyone: {} }] }],
  });
  await call("POST", "/members", { email: "guest@corp.test", roles: ["viewer"] });
  await call("POST", "/tokens", {
    name: "deploys",
    policies: [{ effect: "allow", permission_groups: [{ name: "Workers Scripts Write" }], resources: { [`com.cloudflare.api.account.${hearth.account}`]: "*" } }],
  });
  known.routed = (await hearth.api("POST", "/api/functions", { name: "greet", code: "function handler() { return 1 }" })).id;
  for (const version of ["v1", "v2"]) {
    await hearth.api("POST", "/api/deploy/hello", { runtime: "js", version, alias: `stable-${version}`, code: VERSION(version) });
  }
  try {
    const run = { name: "sum", runtime: "nodejs", handler: "handler", code: "exports.handler = () => 1" };
    known.run = (await hearth.api("POST", "/api/v1/functions", run)).id;
  } catch {
    // This machine runs no Node.js for functions: their page is not looked at.
  }
  for (const role of ROLES) pages[role] = await signIn(role);
});
after(() => hearth?.stop());

/**
 * Names of all in the page, or in a window of it, that does something when it is used; of a button that cannot be pressed
 * yet, with `(off)`. What stands in a form that is disabled as a whole is not offered.
 */
async function offered(page, within) {
  return page.locator(within).evaluate((root) => {
    const all = root.querySelectorAll('button, [role="menuitem"], input, a[href$="/new-worker"]');
    const found = [];
    for (const element of all) {
      const typed = element.tagName === "INPUT" && !["checkbox", "radio", "file"].includes(element.type);
      if (typed && element.getAttribute("aria-haspopup") !== "listbox") continue;
      const part = element.matches('[role="tab"], button[role="radio"], [aria-hidden="true"]') || element.closest('[role="columnheader"], fieldset:disabled') !== null;
      const off = element.matches(':disabled, [aria-disabled="true"], [data-disabled="true"]');
      if (part || (off && element.tagName !== "BUTTON") || !element.checkVisibility()) continue;
      const said = element.ariaLabel ?? (element.textContent.trim() === "" ? (element.labels?.[0]?.textContent ?? "") : element.textContent);
      // What a label has beside its words: a host, a version's name. A message has no name but its id.
      const name = said.replace(/(http:|<version>|pub-[0-9a-f]{32}).*/, "").replace(/^Select [0-9a-f]{32}$/, "Select a message").trim();
      found.push((name === "" ? element.outerHTML : name) + (off ? " (off)" : ""));
    }
    return found;
  });
}

/** The same with what is in the menus of the page. */
async function everything(page) {
  const names = await offered(page, "#content");
  const menus = names.filter((name) => /^(Actions|What to do)/.test(name));
  for (const menu of menus) {
    await page.locator("#content").getByRole("button", { name: menu, exact: true }).click();
    await page.getByRole("menu").waitFor();
    names.push(...(await page.getByRole("menuitem").allInnerTexts()).map((item) => `${menu}: ${item}`));
    await page.keyboard.press("Escape");
    await page.getByRole("menu").waitFor({ state: "detached" });
  }
  return names.filter((name) => !menus.includes(name));
}

/**
 * Each page: where it is below the account, what is opened there, what only looks (`looks`), and what is offered from which
 * role on: what a developer is offered, an admin and an owner are, too. A viewer is offered nothing, anywhere.
 */
const PAGES = () => {
  const worker = (tab, entry = {}) => {
    const { developer = [], ...rest } = entry;
    return { at: `workers/shop${tab}`, developer: ["Actions: Delete worker", ...developer], ...rest };
  };
  const fn = (at, developer = [], looks = []) => ({ at: `functions/${at}`, developer: ["Delete", ...developer], looks });
  const project = (tab, developer, looks = []) => ({ at: `pages/site?tab=${tab}`, developer: ["Delete", ...developer], looks });
  const database = (tab, developer) => ({ at: `d1/${known.database}?tab=${tab}`, developer });
  const queue = (tab, developer, looks = []) => ({ at: `queues/${known.queue}?tab=${tab}`, developer: ["Pause delivery", ...developer], looks });
  const RANGES = ["1 hour", "24 hours", "7 days", "30 days"];
  const REQUEST = ["Method", "Send"];
  const [latest, before] = known.deployments;
  const LOGS = [`Actions ${latest}: Show log`, `Actions ${before}: Show log`];
  const guests = ["admin", "developer", "guest", "viewer"].flatMap((name) => [`Role of ${name}@corp.test`, `Remove ${name}@corp.test`]);
  /** Opens a row's window, and waits for what it is about. */
  const row = (name, shown) => async (page) => {
    await page.getByRole("row", { name }).click();
    await page.getByRole("dialog").getByText(shown).first().waitFor();
  };
  return [
    { at: "", looks: RANGES },
    { at: "workers", developer: ["New worker"] },
    { at: "new-worker", developer: ["Create and deploy"] },
    worker("", { looks: RANGES }),
    worker("/deployments", { developer: ["Split traffic", "Roll back", "Deploy"] }),
    worker("/assets"),
    worker("/logs", { looks: ["Live", "Search", "Level", "Pause", "Clear"] }),
    worker("/logs", {
      ready: (page) => page.getByRole("radiogroup", { name: "Logs" }).getByText("Search").click(),
      looks: ["Live", "Search", "Period", "Errors only"],
      developer: ["Keep logs"],
    }),
    worker("/settings", {
      developer: [
        ...["Add variable", "Edit GREETING", "Delete GREETING", "Add secret", "Replace secret KEY", "Delete KEY"],
        ...["Add binding", "Delete ORDERS", "Delete COUNTER", "Compatibility flags", "Save and deploy"],
      ],
    }),
    worker("/triggers", {
      developer: [
        ...["Serve it there", "Serve each version at a host of its own", "Add", "Delete example.com/shop/*"],
        ...["Delete shop.example.com", "Run now 0 4 * * *", "Delete 0 4 * * *"],
      ],
    }),
    worker("/access", { developer: ["Everybody", "Who shows a token", "Other workers only", "New token", "Revoke ci"] }),
    worker("/edit", { developer: ["JavaScript", "TypeScript", "Deploy (off)", ...REQUEST] }),
    { at: "functions", developer: ["New function"] },
    { at: "functions/new", developer: ["Runtime", "Begin with", "Add", "Create function (off)"] },
    fn(`routed/${known.routed}`, ["Save and deploy (off)", ...REQUEST]),
    fn(`routed/${known.routed}?tab=stats`),
    fn(`routed/${known.routed}?tab=settings`, ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "Add", "Save and deploy"]),
    fn("versioned/hello", ["Make latest", "Actions v2: Suspend", "Actions v1: Suspend", "Actions v1: Delete version"]),
    fn("versioned/hello?tab=code", ["Add", "Deploy as a new version", ...REQUEST], ["Code of"]),
    ...(known.run === undefined
      ? []
      : [
          fn(`run/${known.run}`, ["Save and deploy (off)", "Run"]),
          fn(`run/${known.run}?tab=calls`),
          fn(`run/${known.run}?tab=stats`),
          fn(`run/${known.run}?tab=settings`, ["Add", "Save and deploy"]),
        ]),
    { at: "pages", developer: ["New project"] },
    project(
      "deployments",
      [latest, before].map((id) => `Actions ${id}: Deploy again`).concat(`Actions ${before}: Roll back to this`, `Actions ${before}: Delete deployment`),
      LOGS,
    ),
    // Who may not upload has no such tab, and is shown the first.
    project("upload", ["Choose files", "Choose a folder", "Deploy (off)"], LOGS),
    project("domains", ["Add domain", "Delete www.example.com"]),
    project("environment", ["Add variable", "Delete GREETING", "Save (off)"], ["Production", "Preview"]),
    { at: "workflows", developer: ["Delete orders"] },
    { at: "workflows/orders", developer: ["New instance"], looks: ["Status", "Refresh"] },
    {
      at: `workflows/orders/${known.instance}`,
      ready: (page) => page.getByText("Waits for an event").waitFor(),
      developer: ["Send an event", "Pause", "Restart", "Terminate"],
      looks: ["wait for paymentWaits for an eventin progress"],
    },
    { at: "kv", developer: ["New namespace", "Rename sessions", "Delete sessions"] },
    { at: `kv/${known.namespace}`, developer: ["Add key", "Select greeting"] },
    {
      at: `kv/${known.namespace}`,
      open: row(/greeting/, "Download"),
      developer: ["Upload a file", "Never", "After a time", "Delete key", "Save"],
      looks: ["Close", "Download"],
    },
    { at: "r2", developer: ["New bucket", "Delete photos"] },
    { at: "r2/photos", developer: ["New folder", "Choose files", "Choose a folder", "Select beach.txt"] },
    { at: "r2/photos", open: row(/beach/, "Download"), developer: ["Delete object"], looks: ["Close", "Download"] },
    {
      at: "r2/photos/settings",
      developer: [
        ...["Address of the bucket", "Add domain", "Add CORS rule", "Add lifecycle rule", "Add lock", "Add notification"],
        ...["Edit Default Multipart Abort Rule", "Delete Default Multipart Abort Rule"],
      ],
    },
    { at: "d1", developer: ["New database", "Delete books"] },
    { at: `d1/${known.database}`, looks: ["book"] },
    database("sql", ["Run (off)", "Show plan (off)"]),
    database("travel", ["Restore (off)"]),
    database("files", ["What is exported", "Export", "Choose a file"]),
    { at: "objects" },
    { at: `objects/${known.objects}` },
    { at: "queues", developer: ["New queue", "Delete mails"] },
    { ...queue("messages", ["Send a message", "Delete all", "Select a message"], ["Look again"]), ready: (page) => page.getByText("a letter").waitFor() },
    { at: `queues/${known.queue}`, open: row(/a letter/, "a letter"), looks: ["Close"] },
    queue("consumers", ["Change", "Remove consumer", "Add consumer"]),
    queue("subscriptions", ["Add subscription"]),
    queue("settings", ["Save"]),
    { at: "members", admin: ["Invite somebody", ...guests], owner: ["Role of owner@corp.test", "Remove owner@corp.test"] },
    { at: "tokens", admin: ["Create token", ...["Edit", "Roll", "Disable", "Revoke"].map((what) => `What to do with deploys: ${what}`)] },
    {
      at: "access",
      admin: [
        ...["Protect a host", "Sign everybody out of Administration", "Edit Administration", "Delete Administration"],
        ...["Create group", "Edit staff", "Delete staff", "Create service token", "Rotate robot", "Revoke robot"],
      ],
    },
    { at: "quotas" },
    { at: "audit", looks: ["Kind"] },
    { at: "egress", looks: ["All workers of this account", "One worker"] },
    // Whoever answers for the installation alone may do anything there.
    ...["accounts", "users", "sign-in", "nodes", "egress", "audit"].map((at) => ({ at: `/installation/${at}`, looks: ["Kind", "With those of accounts"] })),
  ];
};

async function see(page, { at, ready, open }) {
  await page.goto(`${hearth.origin}${at.startsWith("/") ? at : `/a/${hearth.account}${at === "" ? "" : `/${at}`}`}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await ready?.(page);
  await page.waitForLoadState("networkidle");
  if (open === undefined) return everything(page);
  await open(page);
  await page.getByRole("dialog").waitFor();
  await page.waitForLoadState("networkidle");
  return offered(page, '[role="dialog"]');
}

test("every page is looked at", () => {
  const under = { accountRoute: "", worker: "workers/[^/]+", installationRoute: "/installation" };
  const routes = readdirSync(SOURCES).flatMap((area) => {
    const file = join(SOURCES, area, "area.tsx");
    const source = existsSync(file) ? readFileSync(file, "utf8") : "";
    const found = source.matchAll(/getParentRoute: \(\) => (\w+),\s+path: "([^"]*)"/g);
    return [...found].filter(([, parent]) => parent in under).map(([, parent, path]) => under[parent] + path.replace(/\/$/, "").replaceAll(/\$\w+/g, "[^/]+"));
  });
  assert.ok(routes.length > 30, routes.join());
  const seen = PAGES().map(({ at }) => (at.startsWith("/") ? at : `/${at}`).split("?")[0]);
  const missed = routes.filter((route) => !seen.some((at) => new RegExp(`^/?${route}$`).test(at)));
  assert.deepEqual(missed.filter((route) => route !== "functions/run/[^/]+" || known.run !== undefined), []);
});

for (const role of ROLES) {
  test(`${role}: what one may is offered, on every page, and nothing else`, async () => {
    const page = pages[role];
    const wrong = [];
    for (const entry of PAGES()) {
      const looks = [...LOOKS, ...(entry.looks ?? [])];
      const found = (await see(page, entry)).filter((name) => !looks.includes(name));
      const expected = ROLES.slice(0, ROLES.indexOf(role) + 1).flatMap((each) => entry[each] ?? []);
      const [more, less] = [found.filter((name) => !expected.includes(name)), expected.filter((name) => !found.includes(name))];
      if (more.length > 0 || less.length > 0) wrong.push({ at: entry.at, more, less });
    }
    assert.deepEqual(wrong, []);
    assert.deepEqual(page.amiss, []);
  });
}

const lines = (page) => page.getByRole("navigation", { name: "Sections" }).getByRole("link").allInnerTexts();

test("the navigation has what one may look at; the address of anything else leads to its refusal", async () => {
  const page = pages.viewer;
  await page.goto(`${hearth.origin}/a/${hearth.account}/kv`);
  await page.getByRole("link", { name: "sessions" }).waitFor();
  const seen = await lines(page);
  assert.ok(["Workers", "KV", "Members", "Quotas", "Egress rules"].every((line) => seen.includes(line)), seen.join());
  assert.ok(["API tokens", "Audit log", "Accounts", "Users", "Sign-in", "Nodes and health"].every((line) => !seen.includes(line)), seen.join());
  for (const at of [`/a/${hearth.account}/tokens`, `/a/${hearth.account}/audit`, "/installation/users", "/installation/nodes"]) {
    await page.goto(`${hearth.origin}${at}`);
    await page.getByRole("alert").getByText("You may not do this").first().waitFor();
  }
  for (const at of ["new-worker", "functions/new"]) {
    await page.goto(`${hearth.origin}/a/${hearth.account}/${at}`);
    await page.getByRole("heading", { name: "You may not do this" }).waitFor();
  }
  assert.deepEqual(await lines(pages.developer), seen);
  const more = (await lines(pages.admin)).filter((line) => !seen.includes(line));
  assert.deepEqual(more, ["API tokens", "Audit log"]);
  assert.deepEqual(page.amiss, []);
});

test("by a token, one is offered what the token may, whosever it is", async () => {
  const resources = { [`com.cloudflare.api.account.${hearth.account}`]: "*" };
  const policy = { effect: "allow", permission_groups: [{ name: "Workers KV Storage Read" }, { name: "Queues Write" }], resources };
  const { value } = (await hearth.api("POST", `${base}/tokens`, { name: "reads", policies: [policy] })).result;
  const page = await hearth.open("/sign-in");
  const status = await page.evaluate(async (token) => {
    const headers = { "content-type": "application/json", "x-hearth-csrf": "1" };
    return (await fetch("/api/session/token", { method: "POST", headers, body: JSON.stringify({ token }) })).status;
  }, value);
  assert.equal(status, 200);
  await page.goto(`${hearth.origin}/a/${hearth.account}/kv`);
  await page.getByRole("link", { name: "sessions" }).waitFor();
  assert.deepEqual(await lines(page), ["Overview", "KV", "Queues"]);
  assert.deepEqual((await everything(page)).filter((name) => !LOOKS.includes(name)), []);
  await page.goto(`${hearth.origin}/a/${hearth.account}/queues`);
  await page.getByRole("button", { name: "Delete mails" }).waitFor();
  await hearth.axe(page);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("pages of who may only look are accessible, and look right everywhere", async () => {
  const context = { storageState: await pages.viewer.context().storageState() };
  const shown = [
    [`kv/${known.namespace}`, "rights-kv", (page) => page.getByRole("row", { name: /greeting/ }).waitFor()],
    [`d1/${known.database}`, "rights-d1"],
    ["workers/shop/settings", "rights-settings", (page) => page.getByText("GREETING").waitFor()],
    ["new-worker", "rights-barred"],
  ];
  for (const [at, name, ready] of shown) await hearth.look(`/a/${hearth.account}/${at}`, name, ready, { context });
});
