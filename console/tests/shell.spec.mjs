// The frame of the console: where one lands, languages, schemes, search, a phone, and what its headers keep out.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

let hearth;
before(async () => {
  hearth = await start();
  await hearth.deploy("hello", `export default { fetch() { return new Response("hi") } }`);
});
after(() => hearth?.stop());

test("a first start with --dev opens without signing in, in both languages and schemes", async () => {
  for (const language of ["en", "zh"]) {
    for (const scheme of ["light", "dark"]) {
      const page = await hearth.open("/", { language, scheme });
      await page.getByRole("heading", { level: 1 }).waitFor();
      assert.equal(await page.locator("html").getAttribute("lang"), language);
      assert.equal(await page.locator("html").getAttribute("data-mantine-color-scheme"), scheme);
      assert.match(page.url(), new RegExp(`/a/${hearth.account}`));
      await hearth.axe(page);
      await hearth.shot(page, `home-${language}-${scheme}`);
      assert.deepEqual(page.amiss, []);
      await page.context().close();
    }
  }
});

test("the language and the scheme change in place, and stay", async () => {
  const page = await hearth.open("/");
  await page.getByRole("button", { name: /You and this page/ }).click();
  await page.getByRole("menuitem", { name: "简体中文" }).click();
  await page.getByRole("menuitem", { name: "深色" }).click();
  await page.reload();
  await page.getByRole("button", { name: /您与本页/ }).waitFor();
  assert.equal(await page.locator("html").getAttribute("data-mantine-color-scheme"), "dark");
  await page.context().close();
});

test("search goes to a page by keyboard alone", async () => {
  const page = await hearth.open("/");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox").waitFor();
  await page.keyboard.type("work");
  await hearth.shot(page, "palette");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/workers$/);
  await page.context().close();
});

test("on a phone the navigation folds away and nothing is too wide", async () => {
  const page = await hearth.open("/", { width: 390, height: 844 });
  await page.getByRole("heading", { level: 1 }).waitFor();
  await hearth.fits(page);
  await hearth.shot(page, "home-phone");
  await page.getByRole("button", { name: "Open navigation" }).click();
  await page.getByRole("navigation").getByText("Workers").click();
  await page.getByRole("heading", { level: 1, name: "Workers" }).waitFor();
  await hearth.axe(page);
  await page.context().close();
});

test("an unknown page says so and leads back", async () => {
  const page = await hearth.open(`/a/${hearth.account}/no-such-thing`);
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  await page.context().close();
});

test("the first load stays below 300 KB of compressed JavaScript", async () => {
  const page = await hearth.open("/");
  await page.getByRole("heading", { level: 1 }).waitFor();
  const sizes = await page.evaluate(() =>
    performance
      .getEntriesByType("resource")
      .filter(({ name }) => name.endsWith(".js"))
      .map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize]),
  );
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  assert.ok(total > 50_000 && total < 300 * 1024, `${total} bytes: ${JSON.stringify(sizes)}`);
  await page.context().close();
});

test("the document runs no inline script and stands in nobody's frame; the API's answers are no pages", async () => {
  const document = await fetch(`${hearth.origin}/`);
  const policy = document.headers.get("content-security-policy");
  assert.match(policy, /script-src 'self';/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(document.headers.get("x-content-type-options"), "nosniff");
  const answer = await fetch(`${hearth.origin}/client/v4/user`);
  assert.match(answer.headers.get("content-security-policy"), /sandbox/);

  const page = await hearth.open("/");
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
  });
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.ok(page.amiss.some((line) => line.includes("Content Security Policy")));
  await page.context().close();
});

test("without --dev one signs in with a token, and comes back to where one wanted to go", async () => {
  const closed = await start({ dev: false });
  try {
    const page = await closed.open(`/a/${closed.account}/workers`);
    await page.getByRole("heading", { name: "Sign in to Hearth" }).waitFor();
    await closed.axe(page);
    await closed.shot(page, "sign-in");
    if (await page.getByText("Sign in with an API token").isVisible()) {
      await page.getByText("Sign in with an API token").click();
    }
    await page.getByLabel("API token", { exact: true }).fill("wrong");
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("API token", { exact: true }).fill(closed.token);
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Workers" }).waitFor();
    await page.context().close();
  } finally {
    await closed.stop();
  }
});

test("what others wrote runs as no page of this origin, whatever the API gives out", async () => {
  const below = `/client/v4/accounts/${hearth.account}`;
  await hearth.api("POST", `${below}/r2/buckets`, { name: "pages" });
  const html = `<title>an object</title><script>document.title = "ran"</script>`;
  const object = `${below}/r2/buckets/pages/objects/page.html`;
  await hearth.api("PUT", object, html, { "content-type": "text/html" });

  const page = await hearth.open("/");
  await page.goto(`${hearth.origin}${object}`);
  assert.equal(await page.title(), "an object");
  // Without the policy it would have run: this is what holds it.
  await page.route(`**${object}`, async (route) => {
    const response = await route.fetch();
    const headers = { ...response.headers() };
    delete headers["content-security-policy"];
    await route.fulfill({ response, headers });
  });
  await page.goto(`${hearth.origin}${object}`);
  assert.equal(await page.title(), "ran");
  await page.context().close();
});

test("a function that has a path of this host has an origin of its own", async () => {
  const code = `export default () => new Response(
    "<title>apart</title><script>document.title = self.origin</script>", { headers: { "content-type": "text/html" } })`;
  await hearth.api("POST", "/api/functions", { name: "apart", code });
  const page = await hearth.open("/");
  await page.goto(`${hearth.origin}/fn/apart`);
  await page.waitForFunction(() => document.title !== "apart");
  assert.equal(await page.title(), "null");
  await page.context().close();
});
