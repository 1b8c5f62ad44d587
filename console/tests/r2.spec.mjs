// R2: buckets, folders, uploads by drag with progress, previews that run nothing, downloads and deletes.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAFElEQVR4nGO4IMRDEmIY1TCqYfhqAABZ+ooQZHDpmgAAAABJRU5ErkJggg==",
  "base64",
);

let hearth;
let base;
const bucket = (name) => hearth.api("POST", `${base}/r2/buckets`, { name });
const put = (name, key, content, type = "text/plain", headers = {}) =>
  hearth.api("PUT", `${base}/r2/buckets/${name}/objects/${key.split("/").map(encodeURIComponent).join("/")}`, content, {
    "content-type": type,
    ...headers,
  });
const bytesOf = async (download) => {
  const chunks = [];
  for await (const chunk of await download.createReadStream()) chunks.push(chunk);
  return Buffer.concat(chunks);
};

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
});
after(() => hearth?.stop());

test("a bucket is made and deleted; a name that cannot be one is refused in its form", async () => {
  const page = await hearth.open(`/a/${hearth.account}/r2`);
  await page.getByText("No buckets yet").waitFor();
  await hearth.axe(page);
  await page.getByRole("button", { name: "New bucket" }).first().click();
  const form = page.getByRole("dialog");
  await form.getByRole("textbox", { name: "Name" }).fill("No Bucket");
  await form.getByRole("button", { name: "Create bucket" }).click();
  await form.getByRole("alert").waitFor();
  await form.getByRole("textbox", { name: "Name" }).fill("photos");
  await form.getByRole("button", { name: "Create bucket" }).click();
  await page.getByRole("link", { name: "photos" }).waitFor();
  await page.getByRole("button", { name: "Delete photos" }).click();
  await page.getByRole("dialog").getByLabel("Type photos to confirm").fill("photos");
  await page.getByRole("dialog").getByRole("button", { name: "Delete bucket" }).click();
  await page.getByText("No buckets yet").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("files are dropped with their folders, walked, and deleted together", async () => {
  await bucket("dropped");
  const page = await hearth.open(`/a/${hearth.account}/r2/dropped`);
  await page.getByText("Nothing in here").waitFor();
  await hearth.shot(page, "r2-empty");
  // A real drop event with real files; Chromium gives no folders to scripts that make one.
  await page.getByText("Drop files or folders here").evaluate((element) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["one"], "one.txt", { type: "text/plain" }));
    transfer.items.add(new File(["{}"], "two.json", { type: "application/json" }));
    element.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  });
  await page.getByText("2 objects uploaded").waitFor();
  await page.getByRole("row", { name: /one\.txt/ }).waitFor();
  await page.getByRole("button", { name: "New folder" }).click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("2026/summer");
  await page.getByRole("dialog").getByRole("button", { name: "Go there" }).click();
  await page.getByText("into 2026/summer/").waitFor();
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Choose files" }).click()]);
  await chooser.setFiles({ name: "beach.png", mimeType: "image/png", buffer: PNG });
  await page.getByRole("row", { name: /beach\.png/ }).waitFor();
  assert.equal((await hearth.api("GET", `${base}/r2/buckets/dropped/objects?prefix=2026/`)).result[0].key, "2026/summer/beach.png");
  await page.getByRole("navigation", { name: "Folder path" }).getByRole("link", { name: "2026" }).click();
  await page.getByRole("row", { name: /summer/ }).waitFor();
  await page.getByRole("navigation", { name: "Folder path" }).getByRole("link", { name: "dropped" }).click();
  await page.getByRole("row", { name: /2026/ }).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "r2-objects");
  await page.getByLabel("Select one.txt").check();
  await page.getByLabel("Select two.json").check();
  await page.getByRole("button", { name: "Delete 2 objects" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete 2 objects" }).click();
  await page.getByText("1 entry shown").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a large file shows how far it is, can be cancelled and sent again, and arrives whole", async () => {
  await bucket("large");
  const folder = mkdtempSync(join(tmpdir(), "hearth-large-"));
  const file = join(folder, "large.bin");
  const size = 120 << 20;
  writeFileSync(file, Buffer.alloc(size, 7));
  try {
    const page = await hearth.open(`/a/${hearth.account}/r2/large`);
    // Slow enough that there is something to see and to cancel.
    const network = await page.context().newCDPSession(page);
    await network.send("Network.enable");
    const speed = (bytes) => network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: bytes });
    await speed(8 << 20);
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Choose files" }).click()]);
    await chooser.setFiles(file);
    const bar = page.getByRole("progressbar");
    await bar.waitFor();
    await page.waitForFunction(() => Number(document.querySelector('[role="progressbar"]')?.getAttribute("aria-valuenow")) > 5);
    await hearth.shot(page, "r2-uploading");
    await hearth.axe(page);
    await page.getByRole("button", { name: "Cancel large.bin" }).click();
    await page.getByText("Cancelled").waitFor();
    assert.equal((await hearth.api("GET", `${base}/r2/buckets/large/objects`)).result.length, 0);
    await speed(-1);
    await page.getByRole("button", { name: "Send large.bin again" }).click();
    await page.getByText("1 object uploaded").waitFor();
    assert.equal((await hearth.api("GET", `${base}/r2/buckets/large/objects`)).result[0].size, size);
    await page.getByRole("row", { name: /large\.bin/ }).click();
    await page.getByText("There is no preview of this type").waitFor();
    assert.deepEqual(page.amiss, []);
    await page.context().close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("images and text are shown, in both languages and on a phone; bytes come down as they are", async () => {
  await bucket("shown");
  await put("shown", "pixel.png", new Uint8Array(PNG), "image/png", { "cf-r2-custom-metadata": JSON.stringify({ taken: "today" }) });
  await put("shown", "notes.md", "# Notes\n\nsome text", "text/markdown");
  const page = await hearth.open(`/a/${hearth.account}/r2/shown`);
  await page.getByRole("row", { name: /pixel/ }).click();
  const drawer = page.getByRole("dialog");
  const picture = drawer.getByRole("img", { name: "pixel.png" });
  await picture.waitFor();
  assert.equal(await picture.evaluate(async (element) => (await element.decode(), element.naturalWidth)), 16);
  await drawer.getByText("taken").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "r2-image");
  const [saved] = await Promise.all([page.waitForEvent("download"), drawer.getByRole("button", { name: "Download" }).click()]);
  assert.equal(saved.suggestedFilename(), "pixel.png");
  assert.deepEqual(await bytesOf(saved), PNG);
  await drawer.getByRole("button", { name: "Delete object" }).click();
  await page.getByRole("dialog", { name: /Delete pixel/ }).getByRole("button", { name: "Delete object" }).click();
  await page.getByText("1 entry shown").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
  const phone = await hearth.open(`/a/${hearth.account}/r2/shown`, { width: 390, height: 844, language: "zh", scheme: "dark" });
  await phone.getByRole("row", { name: /notes/ }).waitFor();
  await hearth.fits(phone);
  await hearth.shot(phone, "r2-objects-phone-zh");
  await phone.getByRole("row", { name: /notes/ }).click();
  await phone.getByText("some text").waitFor();
  await hearth.shot(phone, "r2-text-phone-zh");
  await phone.context().close();
});

test("an object that is a page or a picture with a script stays text, and is no page at its own address", async () => {
  await bucket("evil");
  const script = `<script>window.owned=1</script>${EVIL}`;
  await put("evil", EVIL, script, "text/html");
  await put("evil", "logo.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="window.owned=1"><script>window.owned=1</script></svg>`, "image/svg+xml");
  const page = await hearth.open(`/a/${hearth.account}/r2/evil`);
  await page.getByRole("row", { name: /onerror/ }).click();
  await page.getByRole("dialog").getByText("window.owned=1</script>").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: /logo\.svg/ }).click();
  await page.getByRole("dialog").getByText("<svg").waitFor();
  assert.equal(await page.getByRole("dialog").locator("img").count(), 0);
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.goto(`${hearth.origin}${base}/r2/buckets/evil/objects/logo.svg`);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  await page.context().close();
});

test("its pages look right in both languages, light and dark, and on a phone", async () => {
  await bucket("looks");
  await put("looks", "folder/a.txt", "a");
  await put("looks", "b.txt", "b");
  const grid = (page) => page.getByRole("grid").waitFor();
  await hearth.look(`/a/${hearth.account}/r2`, "r2", grid);
  await hearth.look(`/a/${hearth.account}/r2/looks`, "r2-bucket", grid);
});
