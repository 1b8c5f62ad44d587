// Looks at a deployed framework's pages as a person would: `node look.mjs <host> <port> <title>`.
//
// Every app under tests/frameworks has the same two pages. `/` says its framework's name, and a button asks a route of the
// server; `/notes/:id` is reached by a link and, when it is loaded anew, is a deep link. Exits with 1 and says what a
// person would have seen when something is amiss: an error on the console, a request that failed, a text that is not there.
import { chromium } from "playwright-core";

const [host, port, title] = process.argv.slice(2);
const origin = `http://${host}:${port}`;
const patience = { timeout: 30_000 };

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    `--host-resolver-rules=MAP ${host} 127.0.0.1`,
  ],
});
const page = await browser.newPage();
const amiss = [];
page.on("console", (message) => message.type() === "error" && amiss.push(`console: ${message.text()}`));
page.on("pageerror", (error) => amiss.push(`script: ${error.message}`));
page.on("response", (response) => {
  // A browser asks for an icon by itself; an app need not have one.
  if (response.status() >= 400 && !response.url().endsWith("/favicon.ico")) {
    amiss.push(`${response.status()} ${response.request().method()} ${response.url()}`);
  }
});

async function reads(selector, text) {
  await page.locator(selector, { hasText: new RegExp(`^\\s*${text}\\s*$`) }).waitFor(patience);
}

try {
  await page.goto(`${origin}/`, { waitUntil: "networkidle", ...patience });
  await reads("h1", title);
  await page.locator("#ask").click(patience);
  await reads("#answer", "Hello, Hearth!");
  await page.getByText("A note").click(patience);
  await reads("#note", "Note 1");
  await page.goto(`${origin}/notes/7`, { waitUntil: "networkidle", ...patience });
  await reads("#note", "Note 7");
  await page.reload({ waitUntil: "networkidle", ...patience });
  await reads("#note", "Note 7");
} catch (error) {
  amiss.push(error.message, `the page read: ${await page.content()}`);
}
await browser.close();
// Chromium says of each failed request what `response` says too, with its own icon among them.
const seen = amiss.filter((line) => !/^console: Failed to load resource/.test(line));
if (seen.length > 0) {
  console.error(seen.join("\n"));
  process.exit(1);
}
console.log("as it should be");
