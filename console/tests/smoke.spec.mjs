// The short part that runs in `make test` too: every page of the navigation opens in both languages, without a fault, and
// the first load is small.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

/** Of compressed JavaScript that a page needs before it shows anything, apart from the editor: bytes. */
const FIRST_LOAD = 300 * 1024;

let hearth;
before(async () => {
  hearth = await start();
  await hearth.deploy("hello", `export default { fetch() { return new Response("hi") } }`);
});
after(() => hearth?.stop());

for (const language of ["en", "zh"]) {
  test(`every page of the navigation opens in ${language}`, async () => {
    const page = await hearth.open("/", { language });
    await page.getByRole("heading", { level: 1 }).waitFor();
    const navigation = page.getByRole("navigation", { name: /^(Sections|栏目)$/ });
    const paths = await navigation.getByRole("link").evaluateAll((all) => all.map((link) => new URL(link.href).pathname));
    assert.ok(paths.length > 5, paths.join());
    const titles = new Set();
    for (const path of paths) {
      await navigation.locator(`a[href="${path}"]`).click();
      await navigation.locator(`a[href="${path}"][aria-current]`).waitFor();
      const heading = page.getByRole("heading", { level: 1 });
      await heading.waitFor();
      await page.getByRole("status", { name: /Loading|正在加载/ }).first().waitFor({ state: "hidden" });
      // A lone alert is a call that failed.
      assert.equal(await page.getByRole("alert").count(), 0, path);
      titles.add(await heading.innerText());
    }
    assert.ok(titles.size > paths.length / 2, [...titles].join());
    assert.deepEqual(page.amiss, []);
    await page.context().close();
  });
}

test("the first load is small, as the server gives it", async () => {
  const page = await hearth.open("about:blank");
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const scripts = new Map();
  session.on("Network.responseReceived", ({ requestId, response, type }) => {
    if (type === "Script") scripts.set(requestId, { path: new URL(response.url).pathname, coding: response.headers["content-encoding"] });
  });
  let total = 0;
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    if (scripts.has(requestId)) total += encodedDataLength;
  });
  await page.goto(hearth.origin);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForLoadState("networkidle");
  const told = JSON.stringify([...scripts.values()]);
  assert.ok(scripts.size > 1 && total > 50_000 && total < FIRST_LOAD, `${total} bytes: ${told}`);
  assert.ok([...scripts.values()].some(({ coding }) => coding === "br" || coding === "zstd"), told);
  console.log(`# first load: ${total} bytes of compressed JavaScript in ${scripts.size} files`);
  await page.context().close();
});
