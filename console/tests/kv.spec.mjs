// KV: namespaces, a hundred thousand keys, values of every kind, and keys and values that try to be a page.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const MANY = 100_000;
const EVIL = `<img src=x onerror="window.owned=1">`;

let hearth;
let base;
let many;
const namespace = async (title) =>
  (await hearth.api("POST", `${base}/storage/kv/namespaces`, { title })).result.id;
const put = (id, key, value) => hearth.api("PUT", `${base}/storage/kv/namespaces/${id}/values/${encodeURIComponent(key)}`, value);

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
  many = await namespace("many");
  for (let at = 0; at < MANY; at += 10_000) {
    const some = Array.from({ length: 10_000 }, (_, n) => ({ key: `user:${String(at + n).padStart(6, "0")}`, value: "v" }));
    await hearth.api("PUT", `${base}/storage/kv/namespaces/${many}/bulk`, some);
  }
});
after(() => hearth?.stop());

test("a namespace is made, renamed and deleted by its typed name, with empty states, in both languages", async () => {
  const page = await hearth.open(`/a/${hearth.account}/kv`);
  await page.getByRole("button", { name: "New namespace" }).first().click();
  const made = page.getByRole("dialog");
  await made.getByLabel("Name").fill("sessions");
  await made.getByRole("button", { name: "Create namespace" }).click();
  await page.getByRole("link", { name: "sessions" }).waitFor();
  await page.getByRole("button", { name: "Rename sessions" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("many");
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.getByRole("dialog").getByLabel("Name").fill("carts");
  await page.getByRole("dialog").getByRole("button", { name: "Rename" }).click();
  await page.getByRole("link", { name: "carts" }).click();
  await page.getByText("No keys here").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "kv-empty");
  await page.goto(`${hearth.origin}/a/${hearth.account}/kv`);
  await hearth.shot(page, "kv-namespaces");
  await hearth.axe(page);
  await page.getByRole("button", { name: "Delete carts" }).click();
  const asked = page.getByRole("dialog");
  assert.ok(await asked.getByRole("button", { name: "Delete namespace" }).isDisabled());
  await asked.getByLabel("Type carts to confirm").fill("carts");
  await asked.getByRole("button", { name: "Delete namespace" }).click();
  await page.getByRole("link", { name: "carts" }).waitFor({ state: "detached" });
  assert.deepEqual(page.amiss, []);
  await page.context().close();

  const chinese = await hearth.open(`/a/${hearth.account}/kv`, { language: "zh", scheme: "dark" });
  await chinese.getByRole("button", { name: "新建命名空间" }).first().waitFor();
  await hearth.shot(chinese, "kv-namespaces-zh");
  await chinese.context().close();
});

test("100,000 keys come as one scrolls, few rows are drawn at a time, and a prefix asks the server", async () => {
  const page = await hearth.open(`/a/${hearth.account}/kv/${many}`);
  await page.getByRole("row").nth(5).waitFor();
  await hearth.shot(page, "kv-keys");
  const grid = page.getByRole("grid");
  const begun = Date.now();
  let last = 0;
  for (;;) {
    const rows = Number(await grid.getAttribute("aria-rowcount")) - 1;
    if (rows >= MANY) break;
    assert.ok(Date.now() - begun < 90_000, `after 90 s there are ${rows} keys`);
    await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    if (rows === last) await page.waitForTimeout(20);
    last = rows;
  }
  await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
  await page.getByText("user:099999").waitFor();
  const drawn = await page.getByRole("row").count();
  assert.ok(drawn < 80, `${drawn} rows are drawn`);
  // What a person feels: the longest pause of the page while it scrolls through all of them.
  const pause = await grid.evaluate(async (element) => {
    let worst = 0;
    let before_ = performance.now();
    for (let step = 0; step < 120; step += 1) {
      element.scrollTo(0, (element.scrollHeight * ((step * 37) % 120)) / 120);
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      worst = Math.max(worst, now - before_);
      before_ = now;
    }
    return worst;
  });
  console.log(`the longest of 120 frames with ${MANY} keys: ${pause.toFixed(0)} ms`);
  await page.getByLabel("Keys that begin with").fill("user:0123");
  await page.getByText("100 keys shown").waitFor();
  await page.getByLabel("Keys that begin with").fill("nobody");
  await page.getByText("No key begins with this").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a value is written with metadata and an end, read back, formatted, changed and deleted", async () => {
  const id = await namespace("values");
  const page = await hearth.open(`/a/${hearth.account}/kv/${id}`);
  await page.getByRole("button", { name: "Add key" }).first().click();
  let drawer = page.getByRole("dialog");
  await drawer.getByRole("textbox", { name: "Key" }).fill("settings/a b?c#d");
  await drawer.getByRole("textbox", { name: "Value" }).fill(`{"a":1,"b":[2]}`);
  await drawer.getByLabel("Metadata").fill(`{"by":"me"`);
  assert.ok(await drawer.getByRole("button", { name: "Save" }).isDisabled());
  await drawer.getByLabel("Metadata").fill(`{"by":"me"}`);
  await drawer.getByText("After a time").click();
  await hearth.axe(page);
  await hearth.shot(page, "kv-add");
  await drawer.getByRole("button", { name: "Save" }).click();
  await drawer.waitFor({ state: "detached" });
  const listed = (await hearth.api("GET", `${base}/storage/kv/namespaces/${id}/keys`)).result;
  assert.equal(listed[0].name, "settings/a b?c#d");
  assert.deepEqual(listed[0].metadata, { by: "me" });
  assert.ok(listed[0].expiration > Date.now() / 1000);

  await page.getByRole("row", { name: /settings/ }).click();
  drawer = page.getByRole("dialog");
  await drawer.getByText("JSON", { exact: true }).first().waitFor();
  await drawer.getByRole("button", { name: "Format JSON" }).click();
  await hearth.axe(page);
  await hearth.shot(page, "kv-value");
  await drawer.getByRole("button", { name: "Save" }).click();
  await drawer.waitFor({ state: "detached" });
  assert.match(await hearth.api("GET", `${base}/storage/kv/namespaces/${id}/values/${encodeURIComponent("settings/a b?c#d")}`), /"a": 1,/);
  const kept = (await hearth.api("GET", `${base}/storage/kv/namespaces/${id}/keys`)).result[0];
  assert.equal(kept.expiration, listed[0].expiration);

  await page.getByRole("row", { name: /settings/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete key" }).click();
  await page.getByRole("dialog", { name: /Delete the key/ }).getByRole("button", { name: "Delete key" }).click();
  await page.getByText("No keys here").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("bytes are shown as bytes, uploaded as they are and downloaded as they were", async () => {
  const id = await namespace("bytes");
  const image = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 255]);
  await put(id, "image", new Uint8Array(image));
  const page = await hearth.open(`/a/${hearth.account}/kv/${id}`, { width: 390, height: 844 });
  await page.getByRole("row", { name: /image/ }).click();
  const drawer = page.getByRole("dialog");
  await drawer.getByText("89 50 4e 47 00 01 02 ff").waitFor();
  await hearth.shot(page, "kv-binary-phone");
  await hearth.fits(page);
  const [saved] = await Promise.all([page.waitForEvent("download"), drawer.getByRole("button", { name: "Download" }).click()]);
  const chunks = [];
  for await (const chunk of await saved.createReadStream()) chunks.push(chunk);
  assert.deepEqual(Buffer.concat(chunks), image);
  const next = Buffer.from([0, 200, 201]);
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), drawer.getByRole("button", { name: "Upload a file" }).click()]);
  await chooser.setFiles({ name: "next.bin", mimeType: "application/octet-stream", buffer: next });
  await drawer.getByRole("button", { name: "Save" }).click();
  await drawer.waitFor({ state: "detached" });
  const response = await fetch(`${hearth.origin}${base}/storage/kv/namespaces/${id}/values/image`);
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), next);
  await page.context().close();
});

test("names, keys, metadata and values are text, whatever they hold", async () => {
  const id = await namespace(EVIL);
  const form = new FormData();
  form.set("metadata", JSON.stringify({ note: EVIL }));
  form.set("value", EVIL);
  await put(id, EVIL, form);
  const page = await hearth.open(`/a/${hearth.account}/kv`);
  await page.getByRole("link", { name: EVIL }).click();
  // The list has such a row, too, until its page is gone.
  await page.getByRole("heading", { level: 1, name: EVIL }).waitFor();
  await page.getByRole("row", { name: /onerror/ }).click();
  await page.getByRole("dialog").getByText(EVIL).first().waitFor();
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("an account's missing namespace is an error with a way back, and keys are deleted together", async () => {
  const page = await hearth.open(`/a/${hearth.account}/kv/${"0".repeat(32)}`);
  await page.getByRole("alert").first().waitFor();
  await hearth.shot(page, "kv-missing");
  await page.context().close();

  const id = await namespace("several");
  for (const key of ["one", "two", "three"]) await put(id, key, "x");
  const list = await hearth.open(`/a/${hearth.account}/kv/${id}`);
  await list.getByLabel("Select one").check();
  await list.getByLabel("Select two").check();
  await list.getByRole("button", { name: "Delete 2 keys" }).click();
  await list.getByRole("dialog").getByText("one, two").waitFor();
  await list.getByRole("dialog").getByRole("button", { name: "Delete 2 keys" }).click();
  await list.getByText("1 key shown").waitFor();
  await list.context().close();
});

test("its pages look right in both languages, light and dark, and on a phone", async () => {
  const grid = (page) => page.getByRole("grid").waitFor();
  await hearth.look(`/a/${hearth.account}/kv`, "kv", grid);
  await hearth.look(`/a/${hearth.account}/kv/${many}`, "kv-namespace", grid);
});
