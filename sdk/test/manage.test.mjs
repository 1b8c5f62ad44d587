import assert from "node:assert/strict";
import { test } from "node:test";

import { Hearth, HearthError } from "hearth-sdk";

import { hearth, visit } from "./server.mjs";

const says = (text) => ({
  modules: { "index.js": `import text from "./text.txt"; export default { fetch: (_, env) => new Response(text + env.WHO) };`, "text.txt": text },
  bindings: { WHO: "you" },
});

test("a worker is deployed, served, rolled back and deleted", async () => {
  const first = await hearth.workers.deploy("sdk-hello", { ...says("hello "), message: "first", tag: "one" });
  assert.equal((await visit(first.url)).text, "hello you");
  const [version] = await hearth.workers.versions("sdk-hello");
  assert.equal(version.id, first.version);
  assert.equal(version.annotations["workers/message"], "first");

  const second = await hearth.workers.deploy("sdk-hello", says("goodbye "));
  assert.equal((await visit(first.url)).text, "goodbye you");
  const back = await hearth.workers.rollback("sdk-hello");
  assert.deepEqual(back.versions, [{ version_id: first.version, percentage: 100 }]);
  assert.equal((await visit(first.url)).text, "hello you");
  await hearth.workers.rollback("sdk-hello", { version: second.version });
  assert.equal((await visit(first.url)).text, "goodbye you");

  const third = await hearth.workers.upload("sdk-hello", says("third "));
  assert.equal((await visit(first.url)).text, "goodbye you");
  await hearth.workers.split("sdk-hello", { [third.id]: 100 });
  assert.equal((await visit(first.url)).text, "third you");
  assert.ok((await hearth.workers.list()).some((worker) => worker.id === "sdk-hello" && worker.kind === "workers"));
  await hearth.workers.delete("sdk-hello");
  assert.equal((await visit(first.url)).status, 404);
});

test("secrets stay over a deploy, and are never shown", async () => {
  const secret = { modules: { "index.js": "export default { fetch: (_, env) => new Response(env.KEY ?? 'none') };" } };
  const { url } = await hearth.workers.deploy("sdk-secret", secret);
  await hearth.workers.putSecret("sdk-secret", "KEY", "hush");
  await hearth.workers.deploy("sdk-secret", secret);
  assert.equal((await visit(url)).text, "hush");
  assert.ok(!JSON.stringify(await hearth.workers.settings("sdk-secret")).includes("hush"));
  await hearth.workers.deleteSecret("sdk-secret", "KEY");
  assert.equal((await visit(url)).text, "none");
});

test("a worker is opened to who has a token", async () => {
  const { url } = await hearth.workers.deploy("sdk-door", says("in "));
  await hearth.access.setRule("sdk-door", "token");
  assert.equal(await hearth.access.rule("sdk-door"), "token");
  assert.equal((await visit(url)).status, 401);
  const made = await hearth.access.createToken("sdk-door", "ci");
  const headers = { authorization: `Bearer ${made.token}` };
  assert.equal((await visit(url, { headers })).text, "in you");
  assert.deepEqual((await hearth.access.tokens("sdk-door")).map((token) => token.name), ["ci"]);
  await hearth.access.revokeToken("sdk-door", made.id);
  assert.equal((await visit(url, { headers })).status, 401);
});

test("a function is made, called, changed and deleted", async () => {
  const made = await hearth.functions.create({
    name: "sdk-add",
    runtime: "python",
    handler: "add",
    code: "def add(event, context):\n    print('adding')\n    return event['a'] + event['b']\n",
  });
  assert.equal(made.runtime, "python");
  const call = await hearth.functions.invoke(made.id, { a: 1, b: 2 }, { request_id: "mine" });
  assert.deepEqual([call.success, call.result, call.request_id], [true, 3, "mine"]);
  const failed = await hearth.functions.invoke(made.id, {});
  assert.deepEqual([failed.success, failed.error.type], [false, "KeyError"]);
  const changed = await hearth.functions.update(made.id, { timeout: 5 });
  assert.deepEqual([changed.timeout, (await hearth.functions.get(made.id)).timeout], [5, 5]);
  let stats;
  do stats = await hearth.functions.stats(made.id); while (stats.invocations < 2);
  assert.deepEqual(stats.errors_by_type, { KeyError: 1 });
  assert.equal((await hearth.functions.invocations(made.id, { limit: 1 })).invocations.length, 1);
  assert.ok((await hearth.functions.logs(made.id)).some((line) => line.message === "adding"));
  assert.ok((await hearth.functions.list()).some((one) => one.id === made.id));
  await hearth.functions.delete(made.id);
  await assert.rejects(hearth.functions.get(made.id), { name: "HearthError", status: 404 });
});

test("functions with versions, and with routes", async () => {
  const code = (text) => `export default { fetch: () => new Response(${JSON.stringify(text)}) };`;
  const first = await hearth.deploys.deploy("sdkVersions", { code: code("one"), version: "v1", alias: "stable" });
  await hearth.deploys.deploy("sdkVersions", { code: code("two"), version: "v2" });
  assert.equal((await hearth.deploys.get("sdkVersions")).latest, "v2");
  assert.equal((await visit(first.accessUrl)).text, "one");
  assert.equal((await hearth.deploys.rollback("sdkVersions", "v1")).targetVersion, "v1");
  assert.ok((await hearth.deploys.stop("sdkVersions")).includes("v1"));
  assert.equal((await hearth.deploys.list()).length, 1);
  await hearth.deploys.delete("sdkVersions", "v2");
  await hearth.deploys.delete("sdkVersions");

  const handler = "function handler(request, { env }) { return { said: request.json(), who: env.get('WHO') }; }";
  const routed = await hearth.routed.create({ name: "sdk-routed", code: handler, route: "/sdk", env: { WHO: "me" } });
  assert.equal((await hearth.routed.get(routed.id)).code, handler);
  const answer = await hearth.routed.invoke(routed.id, { body: { a: 1 } });
  assert.deepEqual([answer.status, answer.body], [200, { said: { a: 1 }, who: "me" }]);
  await hearth.routed.update(routed.id, { env: { WHO: "you" } });
  assert.equal((await hearth.routed.invoke(routed.id, { body: {} })).body.who, "you");
  assert.equal((await hearth.routed.stats(routed.id)).requests.total, 2);
  assert.equal((await hearth.routed.list()).length, 1);
  await hearth.routed.delete(routed.id);
});

test("templates become workers, and tokens are made and ended", async () => {
  assert.ok((await hearth.templates.list()).length >= 6);
  assert.ok("src/index.ts" in (await hearth.templates.get("typescript")).content);
  const { url } = await hearth.templates.deploy("hello-world", "sdk-template");
  assert.equal((await visit(url)).status, 200);

  const account = await hearth.account();
  const made = await hearth.tokens.create({
    name: "sdk",
    policies: [{
      effect: "allow",
      permission_groups: [{ name: "Workers R2 Storage Read" }],
      resources: { [`com.cloudflare.api.account.${account}`]: "*" },
    }],
  });
  assert.ok(made.value);
  assert.ok((await hearth.tokens.list()).some((token) => token.id === made.id));
  await hearth.tokens.delete(made.id);
  assert.ok(!(await hearth.tokens.list()).some((token) => token.id === made.id));
});

test("what has no account in its path is in the account that was named", async () => {
  const name = "sdk-team";
  const { result } = await (
    await fetch(`${process.env.CLOUDFLARE_API_BASE_URL}/accounts`, {
      method: "POST",
      headers: { authorization: `Bearer ${process.env.CLOUDFLARE_API_TOKEN}`, "content-type": "application/json" },
      body: JSON.stringify({ name }),
    })
  ).json();
  const team = new Hearth({ account: result.id });
  const code = "export default { fetch: () => new Response('of the team') };";
  const { accessUrl } = await team.deploys.deploy("own", { code, version: "v1" });
  assert.equal(new URL(accessUrl).hostname, `v1.own.${name}.localhost`);
  assert.equal((await visit(accessUrl)).text, "of the team");
  const routed = await team.routed.create({ name: "own", code: "function handler() { return 1; }", route: "/sdk-team" });
  const { id } = await team.functions.create({ name: "own", runtime: "nodejs", handler: "h", code: "function h() { return 2; }" });
  assert.equal((await team.functions.invoke(id)).result, 2);
  const { url } = await team.templates.deploy("hello-world", "begun");
  assert.equal((await visit(url)).status, 200);
  assert.deepEqual([await team.deploys.list(), await team.routed.list(), await team.functions.list()].map((all) => all.length), [1, 1, 1]);
  assert.deepEqual((await team.workers.list()).filter((worker) => worker.kind === "workers").map((worker) => worker.id), ["begun"]);
  // Not where the environment's account is.
  assert.deepEqual([await hearth.deploys.list(), await hearth.routed.list(), await hearth.functions.list()].map((all) => all.length), [0, 0, 0]);
  await assert.rejects(hearth.routed.get(routed.id), { name: "HearthError", status: 404 });
  // One call may name another.
  const header = { "hearth-account": await hearth.account() };
  assert.equal((await team.api.GET("/api/functions", { params: { header } })).data.total, 0);
});

test("errors carry what the API says, whichever it is", async () => {
  const of = (promise) => promise.then(() => assert.fail("it went well"), (error) => error);
  const unknown = await of(hearth.workers.settings("sdk-nobody"));
  assert.ok(unknown instanceof HearthError);
  assert.deepEqual([unknown.status, unknown.code], [404, 10007]);
  assert.match(unknown.message, /does not exist/);
  const broken = await of(hearth.workers.deploy("sdk-broken", { modules: { "index.js": "export default {" } }));
  assert.deepEqual([broken.status, broken.code], [400, 10021]);
  assert.match(broken.message, /SyntaxError/);
  const runtime = await of(hearth.functions.create({ name: "a", runtime: "cobol", handler: "h", code: "c" }));
  assert.deepEqual([runtime.status, runtime.field], [400, "runtime"]);
  const version = await of(hearth.deploys.rollback("sdkNobody", "v1"));
  assert.deepEqual([version.status, version.body.funcName], [404, "sdkNobody"]);
  const stranger = await of(new Hearth({ token: "of-nobody" }).workers.list());
  assert.deepEqual([stranger.status, stranger.code], [401, 10000]);
  assert.throws(() => new Hearth({ url: "" }), /CLOUDFLARE_API_BASE_URL/);
  await assert.rejects(hearth.workers.deploy("a", { modules: {} }), TypeError);
});

test("an account is found, and lists have all of their pages", async () => {
  const { CLOUDFLARE_ACCOUNT_ID: account, ...rest } = process.env;
  process.env = rest;
  try {
    assert.equal(await new Hearth().account(), account);
  } finally {
    process.env.CLOUDFLARE_ACCOUNT_ID = account;
  }
  let pages = 0;
  const small = new Hearth({
    // A server that gives two at a time, whatever it is asked for.
    fetch: (request) => {
      pages += 1;
      return fetch(new Request(request.url.replace("per_page=1000", "per_page=2"), request));
    },
  });
  for (const name of ["sdk-p1", "sdk-p2", "sdk-p3"]) await hearth.templates.deploy("hello-world", name);
  const names = (await small.workers.list()).map((worker) => worker.id);
  assert.deepEqual(names, [...new Set(names)]);
  assert.deepEqual(names, (await hearth.workers.list()).map((worker) => worker.id));
  assert.ok(pages > 1, `${pages}`);
});
