// A server with a data folder of its own and a browser that looks at its console, for one file of specs.
//
//   const console_ = await start();           // in a `before`; `after(() => console_.stop())`
//   const page = await console_.open("/a/ACCOUNT/workers", { language: "zh", scheme: "dark", width: 390 });
//   await console_.axe(page); await console_.shot(page, "workers");
//
// HEARTH_BIN names the binary; HEARTH_ARTEFACTS the folder for screenshots, else tests/artefacts.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ARTEFACTS = process.env.HEARTH_ARTEFACTS ?? new URL("artefacts", import.meta.url).pathname;
const RUNTIME = new URL("../../runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd", import.meta.url).pathname;
/** How long anything is waited for: machines are loaded. */
const PATIENCE = 120_000;

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Starts the server and the browser. `dev: false`: callers need a token, which is `token`. */
export async function start({ dev = true, args = [], env = {} } = {}) {
  const binary = process.env.HEARTH_BIN;
  assert.ok(binary, "HEARTH_BIN names the binary to test");
  const folder = mkdtempSync(join(tmpdir(), "hearth-console-"));
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const token = "console-tests-token";
  const options = ["serve", "--listen", `127.0.0.1:${port}`, "--s3-listen", "off", "--data-dir", join(folder, "data")];
  if (dev) options.push("--dev");
  const server = spawn(binary, [...options, ...args], {
    env: { ...process.env, HEARTH_ADMIN_TOKEN: token, HEARTH_RUNTIME: process.env.HEARTH_WORKERD ?? RUNTIME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (piece) => (log += piece));
  const ended = new Promise((resolve) => server.on("exit", resolve));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"],
  });

  async function api(method, path, sent, headers = {}) {
    const form = sent instanceof FormData || sent instanceof Uint8Array || typeof sent === "string";
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(sent === undefined || form ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: sent === undefined || form ? sent : JSON.stringify(sent),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === "" ? undefined : response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  }

  for (const until = Date.now() + PATIENCE; ; ) {
    try {
      if ((await fetch(`http://127.0.0.1:${port}/health`)).ok) break;
    } catch {
      // Not yet.
    }
    if (Date.now() > until || server.exitCode !== null) throw new Error(`the server does not start:\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const account = (await api("GET", "/client/v4/accounts")).result[0].id;

  return {
    origin,
    port,
    token,
    account,
    api,
    browser,
    /** What the server has logged. */
    log: () => log,

    /** Deploys a worker of one module. */
    async deploy(name, source, metadata = {}) {
      const form = new FormData();
      const settings = { main_module: "index.js", compatibility_date: "2026-01-01", ...metadata };
      form.set("metadata", JSON.stringify(settings));
      form.set("index.js", new File([source], "index.js", { type: "application/javascript+module" }));
      await api("PUT", `/client/v4/accounts/${account}/workers/scripts/${name}`, form);
      await api("POST", `/client/v4/accounts/${account}/workers/scripts/${name}/subdomain`, { enabled: true });
    },

    /**
     * A page of the console in a context of its own. Whatever its script throws, and whatever its policy refuses, is in
     * `page.amiss`.
     */
    async open(path, { language = "en", scheme = "light", width = 1280, height = 860, context: options = {} } = {}) {
      const context = await browser.newContext({
        viewport: { width, height },
        colorScheme: scheme,
        locale: language === "zh" ? "zh-CN" : "en-GB",
        reducedMotion: "reduce",
        ...options,
      });
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE);
      page.amiss = [];
      page.on("pageerror", (error) => page.amiss.push(`script: ${error.stack ?? error.message}`));
      page.on("console", (message) => {
        const text = message.text();
        // A refused call is something that pages show.
        if (message.type() === "error" && !text.startsWith("Failed to load resource")) page.amiss.push(text);
      });
      await page.goto(path.startsWith("about:") ? path : `${origin}${path}`);
      return page;
    },

    /** Faults of accessibility that are serious or worse fail. */
    async axe(page) {
      // By the debugger's way, since the page's policy runs no foreign script.
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() =>
        window.axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }),
      );
      const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      const told = grave.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html}\n  ${failureSummary}`).join("\n  ")}`);
      assert.equal(told.length, 0, told.join("\n"));
    },

    /** Puts text into an editor as a paste does: typed, it would be indented and its brackets closed. */
    async paste(editor, text) {
      await editor.evaluate((element, pasted) => {
        const data = new DataTransfer();
        data.setData("text/plain", pasted);
        element.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
      }, text);
    },

    /** Nothing is wider than the window. */
    async fits(page) {
      const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `the page is ${over} px wider than the window`);
    },

    /**
     * Looks at a page as everybody may see it: both languages, light and dark, and on a phone. `ready` waits for what
     * the page is about. Screenshots are `<name>-<how>.png`.
     */
    async look(path, name, ready, options = {}) {
      const ways = [
        { how: "en-light", language: "en", scheme: "light" },
        { how: "zh-dark", language: "zh", scheme: "dark" },
        { how: "en-dark", language: "en", scheme: "dark" },
        { how: "zh-phone", language: "zh", scheme: "light", width: 390, height: 844 },
      ];
      for (const { how, ...way } of ways) {
        const page = await this.open(path, { ...options, ...way });
        await page.getByRole("heading", { level: 1 }).waitFor();
        await ready?.(page);
        await this.axe(page);
        await this.fits(page);
        await this.shot(page, `${name}-${how}`);
        assert.deepEqual(page.amiss, [], `${path}, ${how}`);
        await page.context().close();
      }
    },

    /** Keeps what the page looks like. */
    async shot(page, name) {
      mkdirSync(ARTEFACTS, { recursive: true });
      await page.screenshot({ path: join(ARTEFACTS, `${name}.png`) });
    },

    async stop() {
      await browser.close();
      server.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
