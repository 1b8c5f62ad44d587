// A worker's static files: listed by their paths, searched, opened, and many of them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `/<img src=x onerror="window.owned=1">.txt`;

let hearth;
let base;
before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}/workers`;
});
after(() => hearth?.stop());

/** Deploys a worker with files, as wrangler does. */
async function deploy(name, files) {
  const hash = (text) => createHash("sha256").update(text).digest("hex").slice(0, 32);
  const manifest = Object.fromEntries(Object.entries(files).map(([path, text]) => [path, { hash: hash(text), size: Buffer.byteLength(text) }]));
  const { result } = await hearth.api("POST", `${base}/scripts/${name}/assets-upload-session`, { manifest });
  let { jwt } = result;
  const bearer = { authorization: `Bearer ${jwt}` };
  for (const bucket of result.buckets) {
    const form = new FormData();
    for (const each of bucket) {
      const [path, text] = Object.entries(files).find(([, content]) => hash(content) === each);
      const type = path.endsWith(".css") ? "text/css" : "text/html";
      form.set(each, new File([Buffer.from(text).toString("base64")], each, { type }));
    }
    const done = await hearth.api("POST", `${base}/assets/upload?base64=true`, form, bearer);
    jwt = done.result.jwt ?? jwt;
  }
  await hearth.deploy(name, `export default { fetch() { return new Response("code") } }`, { assets: { jwt } });
}

const open = (name, options) => hearth.open(`/a/${hearth.account}/workers/${name}/assets`, options);

test("a worker without files says how to get some", async () => {
  await hearth.deploy("bare", `export default { fetch() { return new Response("hi") } }`);
  const page = await open("bare");
  await page.getByRole("heading", { name: "No static files" }).waitFor();
  assert.equal(await page.getByRole("searchbox").count(), 0);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("files are listed, searched, and opened at the worker's address", async () => {
  await deploy("site", { "/page.html": "<h1>here it is</h1>", "/css/a b.css": "h1 { color: red }", [EVIL]: "evil" });
  const page = await open("site");
  await page.getByText("3 files").waitFor();
  await page.getByRole("row", { name: /\/css\/a b\.css.*text\/css.*17 B/ }).waitFor();
  await page.getByRole("searchbox").fill("PAGE");
  await page.getByText("1 file", { exact: true }).waitFor();
  const link = page.getByRole("link", { name: "/page.html" });
  assert.equal(await link.getAttribute("href"), `http://site.localhost:${hearth.port}/page.html`);
  const [opened] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
  await opened.getByRole("heading", { name: "here it is" }).waitFor();
  await page.getByRole("searchbox").fill("nothing like it");
  await page.getByText("No path has this in it").waitFor();
  await page.getByRole("searchbox").fill("onerror");
  await page.getByRole("row", { name: /onerror/ }).waitFor();
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("of many files the next ones come when they are scrolled to", async () => {
  const files = Object.fromEntries(Array.from({ length: 1200 }, (_, at) => [`/f/${String(at).padStart(4, "0")}.html`, "same"]));
  await deploy("many", files);
  const page = await open("many");
  await page.getByText("1,200 files").waitFor();
  const grid = page.getByRole("grid");
  await grid.getByRole("row").nth(1).focus();
  for (let turn = 0; (await page.getByRole("row", { name: /\/f\/1199\.html/ }).count()) === 0; turn += 1) {
    assert.ok(turn < 50, "the last file does not come");
    await page.keyboard.press("End");
    await page.waitForTimeout(200);
  }
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("it looks right in both languages, light and dark, and on a phone", async () => {
  await deploy("looks", { "/index.html": "<p>", "/img/a-rather-long-name-of-a-picture.html": "x" });
  await hearth.look(`/a/${hearth.account}/workers/looks/assets`, "worker-assets", (page) => page.getByRole("grid").waitFor());
});
