// What others write is text, pages of others change nothing, and nothing but the console's own files runs here.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

/** Were it put into a page as it is, there would be an image, and where scripts may run, a mark. */
const EVIL = `<img src="x" onerror="window.ran = true"><script>window.ran = true</script>`;

let hearth;
let stranger;
before(async () => {
  hearth = await start();
  stranger = await startStranger();
});
after(async () => {
  stranger?.close();
  await hearth?.stop();
});

/** A site of somebody else, on this machine: the same site to a browser, which SameSite cookies do not keep off. */
function startStranger() {
  const pages = new Map();
  const server = createServer((request, response) => {
    response.setHeader("content-type", "text/html");
    response.end(pages.get(request.url) ?? "<!doctype html><title>elsewhere</title>");
  });
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const origin = `http://localhost:${server.address().port}`;
      resolve({ origin, page: (path, text) => pages.set(path, text), close: () => server.close() });
    }),
  );
}

/** The page shows it as it was written, and nothing came of it. */
async function isText(page, text = EVIL) {
  await page.getByText(text, { exact: false }).first().waitFor();
  await nothingRan(page);
}

async function nothingRan(page) {
  assert.equal(await page.locator('img[src="x"]').count(), 0, "it became an element");
  assert.equal(await page.evaluate(() => window.ran), undefined, "it ran");
  assert.deepEqual(page.amiss, []);
}

test("a person's name, a session's browser and a provider's name are text", async () => {
  const user = await hearth.api("POST", "/api/users", { email: "mallory@corp.test", name: EVIL });
  const page = await hearth.open("/installation/users");
  await isText(page);
  await page.context().close();

  const { url } = await hearth.api("POST", `/api/users/${user.id}/invitation`);
  const own = await hearth.open(new URL(url).pathname, { context: { userAgent: EVIL } });
  await own.getByLabel("New password", { exact: true }).fill("correct horse");
  await own.getByLabel("The same again").fill("correct horse");
  await own.getByRole("button", { name: "Set password" }).click();
  await own.waitForURL((to) => !to.pathname.startsWith("/invitation"));
  await own.goto(`${hearth.origin}/me`);
  await own.getByText("This one").waitFor();
  await isText(own, EVIL.slice(0, 30));
  await own.context().close();
  await hearth.api("DELETE", `/api/users/${user.id}`);

  const provider = { id: "evil", name: EVIL, issuer: "https://id.corp.test", client_id: "hearth" };
  await hearth.api("PUT", "/api/signin/providers", { providers: [provider] });
  const providers = await hearth.open("/installation/sign-in");
  await isText(providers);
  await providers.context().close();
  await hearth.api("PUT", "/api/signin/providers", { providers: [] });
});

test("a worker's name is text, were the server to let such a one in", async () => {
  const base = `${hearth.origin}/client/v4/accounts/${hearth.account}/workers`;
  const headers = { "content-type": "application/json" };
  const made = await fetch(`${base}/workers`, { method: "POST", headers, body: JSON.stringify({ name: EVIL }) });
  assert.equal(made.status, 400);
  await hearth.deploy("good", `export default { fetch() { return new Response("hi") } }`);
  const page = await hearth.open("/");
  await page.route("**/workers/scripts?**", async (route) => {
    const answer = await (await route.fetch()).json();
    answer.result[0].id = EVIL;
    await route.fulfill({ json: answer });
  });
  await page.goto(`${hearth.origin}/a/${hearth.account}/workers`);
  await isText(page);
  await page.context().close();
});

test("what the server says of a call that failed is text", async () => {
  const page = await hearth.open("/installation/nodes");
  await page.getByRole("heading", { level: 1 }).waitFor();
  // Whatever an error message repeats of what somebody wrote.
  await page.route("**/client/v4/installation/nodes", (route) =>
    route.fulfill({ status: 400, json: { success: false, errors: [{ code: 1, message: EVIL }], messages: [], result: null } }),
  );
  await page.reload();
  await isText(page);
  await page.context().close();
});

test("a path, a search and a return address are text, and lead nowhere else", async () => {
  const missing = await hearth.open(`/a/${encodeURIComponent(EVIL)}/no-such-page`);
  await missing.getByRole("heading", { name: "There is no such page" }).waitFor();
  await nothingRan(missing);
  await missing.context().close();
  const closed = await start({ dev: false });
  try {
    for (const to of ["https://elsewhere.test/", "//elsewhere.test/", "/\\elsewhere.test", "javascript:window.ran=true"]) {
      const page = await closed.open(`/sign-in?return=${encodeURIComponent(to)}&error=${encodeURIComponent(EVIL)}`);
      await isText(page);
      const token = page.getByLabel("API token", { exact: true });
      if (!(await token.isVisible())) await page.getByText("Sign in with an API token").click();
      await token.fill(closed.token);
      await page.getByRole("button", { name: "Sign in", exact: true }).click();
      await page.waitForURL(new RegExp(`^${closed.origin}/a/`));
      await nothingRan(page);
      await page.context().close();
    }
  } finally {
    await closed.stop();
  }
});

test("no script runs that is written into the page, by whichever way", async () => {
  const page = await hearth.open("/");
  await page.getByRole("heading", { level: 1 }).waitFor();
  stranger.page("/evil.js", "window.ran = true");
  await page.evaluate(
    async ([origin]) => {
      const add = (make) => document.body.append(make());
      add(() => Object.assign(document.createElement("script"), { textContent: "window.ran = true" }));
      add(() => Object.assign(document.createElement("script"), { src: `${origin}/evil.js` }));
      add(() => Object.assign(document.createElement("script"), { src: "data:text/javascript,window.ran = true" }));
      const holder = document.createElement("div");
      holder.innerHTML = `<img src="none" onerror="window.ran = true"><a href="javascript:window.ran = true">a</a>`;
      document.body.append(holder);
      holder.querySelector("a").click();
      await new Promise((resolve) => setTimeout(resolve, 500));
    },
    [stranger.origin],
  );
  assert.equal(await page.evaluate(() => window.ran), undefined);
  const refused = page.amiss.filter((line) => line.includes("Content Security Policy"));
  assert.ok(refused.length >= 5, page.amiss.join("\n"));
  // `eval` too: a page's own code cannot be talked into it.
  const evaluated = await page.evaluate(() => {
    const script = document.createElement("script");
    return new Promise((resolve) => {
      document.addEventListener("securitypolicyviolation", (event) => resolve(event.effectiveDirective), { once: true });
      script.textContent = "1";
      document.body.append(script);
    });
  });
  assert.match(evaluated, /^script-src/);
  await page.context().close();
});

test("no page of others has the console in a frame", async () => {
  for (const path of ["/", "/sign-in", `/a/${hearth.account}/workers`, "/client/v4/user", "/assets/scheme.js"]) {
    stranger.page("/frame", `<!doctype html><iframe src="${hearth.origin}${path}"></iframe>`);
    const page = await hearth.open("about:blank");
    await page.goto(`${stranger.origin}/frame`);
    await page.waitForLoadState("networkidle");
    const [, frame] = page.frames();
    const shown = await frame.evaluate(() => document.documentElement.innerText).catch(() => "");
    assert.ok(frame.url().startsWith("chrome-error:") || frame.url() === "about:blank", `${path}: ${frame.url()} ${shown}`);
    const headers = (await fetch(`${hearth.origin}${path}`)).headers;
    assert.equal(headers.get("x-frame-options"), "DENY", path);
    assert.match(headers.get("content-security-policy"), /frame-ancestors 'none'/, path);
    await page.context().close();
  }
});

/** Whatever a page of another origin can send; resolves when all of it was answered or refused. */
async function attack(page, origin, account) {
  await page.goto(`${stranger.origin}/attack`);
  return page.evaluate(
    async ([target, id]) => {
      const user = JSON.stringify({ email: "mallory@corp.test", is_operator: true });
      const rules = JSON.stringify({ allow: [{ net: "10.0.0.0/8" }] });
      const calls = [
        ["POST", "/api/users", user],
        ["POST", `/client/v4/accounts/${id}/storage/kv/namespaces`, JSON.stringify({ title: "mallory" })],
        ["PUT", "/client/v4/installation/egress", rules],
        ["DELETE", `/client/v4/accounts/${id}/workers/scripts/target`, undefined],
      ];
      const answers = [];
      for (const [method, path, body] of calls) {
        for (const type of ["text/plain", "application/json"]) {
          for (const mode of ["cors", "no-cors"]) {
            const headers = { "content-type": type, ...(mode === "cors" ? { "x-hearth-csrf": "1" } : {}) };
            try {
              const answer = await fetch(target + path, { method, body, mode, credentials: "include", headers });
              if (answer.type !== "opaque") answers.push(`${method} ${path}: ${answer.status} ${await answer.text()}`);
            } catch {
              // The browser refused to send it, or to show the answer.
            }
          }
        }
      }
      // A form needs no script to be sent, and asks for no leave.
      for (const [method, path, body] of calls.filter(([how]) => how === "POST")) {
        const frame = Object.assign(document.createElement("iframe"), { name: "out" });
        const form = Object.assign(document.createElement("form"), { method, action: target + path, target: "out", enctype: "text/plain" });
        // `{"…":"…","x":"=` and `"}`: a form of this kind can be JSON.
        const input = Object.assign(document.createElement("input"), { name: `${body.slice(0, -1)},"x":"`, value: `"}` });
        form.append(input);
        document.body.append(frame, form);
        const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
        form.submit();
        await Promise.race([loaded, new Promise((resolve) => setTimeout(resolve, 1000))]);
      }
      return answers;
    },
    [origin, account],
  );
}

async function unchanged(server) {
  const { users } = await server.api("GET", "/api/users");
  assert.ok(!users.some(({ email }) => email === "mallory@corp.test"), "an operator was added");
  const namespaces = await server.api("GET", `/client/v4/accounts/${server.account}/storage/kv/namespaces`);
  assert.deepEqual(namespaces.result, []);
  assert.equal((await server.api("GET", "/client/v4/installation/egress")).result, null);
  const scripts = (await server.api("GET", `/client/v4/accounts/${server.account}/workers/scripts`)).result;
  assert.ok(scripts.some(({ id }) => id === "target"), "a worker was deleted");
}

test("a page of another origin changes nothing: not under --dev, where nobody signs in", async () => {
  await hearth.deploy("target", `export default { fetch() { return new Response("hi") } }`);
  const page = await hearth.open("about:blank");
  assert.deepEqual(await attack(page, hearth.origin, hearth.account), [], "an answer was shown to it");
  await attack(page, `http://127.0.0.1:${hearth.port}`, hearth.account);
  await unchanged(hearth);
  await page.context().close();
});

test("… and not with the cookie of who is signed in", async () => {
  const closed = await start({ dev: false });
  try {
    await closed.deploy("target", `export default { fetch() { return new Response("hi") } }`);
    const page = await closed.open("/sign-in");
    const token = page.getByLabel("API token", { exact: true });
    await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
    if (!(await token.isVisible())) await page.getByText("Sign in with an API token").click();
    await token.fill(closed.token);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.waitForURL(/\/a\//);
    const [cookie] = (await page.context().cookies()).filter(({ name }) => name === "hearth_session");
    assert.ok(cookie.httpOnly && cookie.sameSite === "Lax", JSON.stringify(cookie));

    const other = await page.context().newPage();
    assert.deepEqual(await attack(other, closed.origin, closed.account), [], "an answer was shown to it");
    await unchanged(closed);

    // The same calls of the console itself do what they say: the cookie is good.
    const made = await page.evaluate(
      async ([account]) => {
        const init = { method: "POST", headers: { "content-type": "application/json", "x-hearth-csrf": "1" }, body: '{"title":"own"}' };
        return (await fetch(`/client/v4/accounts/${account}/storage/kv/namespaces`, init)).status;
      },
      [closed.account],
    );
    assert.equal(made, 200);
    await page.context().close();
  } finally {
    await closed.stop();
  }
});
