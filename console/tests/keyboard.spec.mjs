// The main flows, with the keyboard alone.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

let hearth;
before(async () => {
  hearth = await start();
  for (const name of ["one", "two", "three"]) {
    await hearth.deploy(name, `export default { fetch() { return new Response("hi") } }`);
  }
});
after(() => hearth?.stop());

/** Where the focus is: its role and name as a screen reader says them, shortly. */
const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    const name = at?.getAttribute("aria-label") ?? at?.innerText ?? at?.getAttribute("placeholder") ?? "";
    return { tag: at?.tagName ?? "", role: at?.getAttribute("role") ?? "", name: name.trim(), href: at?.getAttribute("href") ?? "" };
  });

/** Presses Tab until the focus is where it should be. */
async function tabTo(page, is, most = 60) {
  const seen = [];
  for (let at = 0; at < most; at += 1) {
    const now = await focused(page);
    if (is(now)) return now;
    seen.push(`${now.tag} ${now.name.slice(0, 30)}`);
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not get there:\n${seen.join("\n")}`);
}

test("the first stop skips the navigation", async () => {
  const page = await hearth.open(`/a/${hearth.account}/egress`);
  await page.getByRole("heading", { level: 1, name: "Egress rules" }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal((await focused(page)).href, "#content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  const inside = await page.evaluate(() => document.getElementById("content").contains(document.activeElement));
  assert.ok(inside, JSON.stringify(await focused(page)));
  await page.context().close();
});

test("a page is reached, a rule made in its dialog and removed, and the focus comes back", async () => {
  const page = await hearth.open(`/a/${hearth.account}/workers`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await tabTo(page, ({ href }) => href === `/a/${hearth.account}/egress`);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Egress rules" }).waitFor();
  await tabTo(page, ({ tag, name }) => tag === "BUTTON" && name === "Open a network");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  // The first field has the focus, and Tab does not leave the dialog.
  await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
  await page.keyboard.type("10.20.0.0/16");
  for (let at = 0; at < 12; at += 1) {
    await page.keyboard.press("Tab");
    const inside = await page.evaluate(() => document.activeElement?.closest('[role="dialog"]') !== null);
    assert.ok(inside, JSON.stringify(await focused(page)));
  }
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "hidden" });
  await page.waitForFunction(() => document.activeElement?.innerText === "Open a network");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
  await page.keyboard.type("10.20.0.0/16");
  await page.keyboard.press("Enter");
  await page.getByRole("row", { name: "10.20.0.0/16" }).waitFor();
  await tabTo(page, ({ name }) => name === "Close 10.20.0.0/16");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await tabTo(page, ({ tag, name }) => tag === "BUTTON" && name === "Close network");
  await page.keyboard.press("Enter");
  await page.getByText("No network is open").waitFor();
  await page.context().close();
});

test("a table is walked with the arrows", async () => {
  const page = await hearth.open(`/a/${hearth.account}/workers`);
  await page.getByRole("row", { name: /one/ }).waitFor();
  await tabTo(page, ({ role }) => role === "row");
  // By its place: what a row says has how long ago something was, which goes on.
  const at = (index) => page.waitForFunction((wanted) => document.activeElement?.getAttribute("aria-rowindex") === wanted, String(index));
  const first = await page.evaluate(() => Number(document.activeElement?.getAttribute("aria-rowindex")));
  await page.keyboard.press("ArrowDown");
  await at(first + 1);
  assert.equal((await focused(page)).role, "row");
  await page.keyboard.press("End");
  await page.keyboard.press("Home");
  await at(first);
  await page.context().close();
});

test("language and scheme are set from the menu", async () => {
  const page = await hearth.open(`/a/${hearth.account}/workers`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await tabTo(page, ({ tag, name }) => tag === "BUTTON" && name.includes("You and this page"));
  await page.keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  for (let at = 0; at < 20 && !(await focused(page)).name.startsWith("简体中文"); at += 1) {
    await page.keyboard.press("ArrowDown");
  }
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.documentElement.lang === "zh");
  await page.context().close();
});

test("somebody signs in", async () => {
  const closed = await start({ dev: false });
  try {
    const page = await closed.open("/sign-in");
    await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
    await tabTo(page, ({ name }) => name === "Sign in with an API token");
    await page.keyboard.press("Enter");
    await page.getByLabel("API token", { exact: true }).waitFor();
    await page.waitForFunction(() => document.activeElement?.tagName === "INPUT");
    await page.keyboard.type(closed.token);
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/a\//);
    await page.context().close();
  } finally {
    await closed.stop();
  }
});
