// D1: databases, tables, SQL with results and plans, undo, time travel, export and import.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const EVIL = `<img src=x onerror="window.owned=1">`;

let hearth;
let base;
const create = async (name) => (await hearth.api("POST", `${base}/d1/database`, { name })).result.uuid;
const query = async (id, sql) => (await hearth.api("POST", `${base}/d1/database/${id}/query`, { sql })).result;
const open = (id, tab, options) => hearth.open(`/a/${hearth.account}/d1/${id}${tab === undefined ? "" : `?tab=${tab}`}`, options);
const type = async (page, sql) => {
  const editor = page.getByRole("textbox", { name: "SQL statements" });
  await editor.click();
  await page.keyboard.press("Control+a");
  // Chromium styles what replaces styled text, which the page's policy refuses, with a word in the browser's console.
  await page.keyboard.press("Delete");
  await page.keyboard.insertText(sql);
};

before(async () => {
  hearth = await start();
  base = `/client/v4/accounts/${hearth.account}`;
});
after(() => hearth?.stop());

test("a database is made here, its first table is written here, and it is deleted by its typed name", async () => {
  const page = await hearth.open(`/a/${hearth.account}/d1`);
  await page.getByText("No databases yet").waitFor();
  await page.getByRole("button", { name: "New database" }).first().click();
  await page.getByRole("dialog").getByRole("textbox", { name: "Name" }).fill("shop");
  await page.getByRole("dialog").getByRole("button", { name: "Create database" }).click();
  await page.getByRole("link", { name: "shop" }).click();
  await page.getByText("No tables yet").waitFor();
  await hearth.axe(page);
  await page.getByRole("button", { name: "Open the SQL editor" }).click();
  await type(page, "CREATE TABLE pots (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO pots (name) VALUES ('red'), ('blue'); SELECT * FROM pots;");
  await page.keyboard.press("Control+Enter");
  await page.getByText("Result 3").waitFor();
  await page.getByRole("grid", { name: "Result 3" }).getByText("blue").waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "d1-sql");
  await page.getByRole("tab", { name: "Tables" }).click();
  await page.getByRole("grid", { name: "Rows of pots" }).getByText("red").waitFor();
  await page.goto(`${hearth.origin}/a/${hearth.account}/d1`);
  await page.getByRole("button", { name: "Delete shop" }).click();
  await page.getByRole("dialog").getByLabel("Type shop to confirm").fill("shop");
  await page.getByRole("dialog").getByRole("button", { name: "Delete database" }).click();
  await page.getByText("No databases yet").waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("20,000 rows with any columns come as one scrolls, in both languages and on a phone", async () => {
  const id = await create("large");
  await query(id, `CREATE TABLE "odd ""name" (id INTEGER PRIMARY KEY, a TEXT, b REAL, c BLOB, d, e, f, g, h, i, j, k)`);
  await query(
    id,
    `WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)
     INSERT INTO "odd ""name" SELECT x, 'row ' || x, x / 3.0, x'00ff', NULL, 1, 2, 3, 4, 5, 6, 'last' FROM n`,
  );
  await query(id, `CREATE VIEW few AS SELECT id, a FROM "odd ""name" WHERE id < 5`);
  const page = await open(id);
  await page.getByRole("button", { name: `odd "name` }).click();
  await page.getByText("20,000 rows").or(page.getByText("20000 rows")).first().waitFor();
  const grid = page.getByRole("grid");
  await grid.getByText("row 12", { exact: true }).waitFor();
  await grid.getByText("2 bytes").first().waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "d1-tables");
  for (let step = 0; step < 4; step += 1) {
    await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await page.waitForTimeout(300);
  }
  assert.ok(Number(await grid.getAttribute("aria-rowcount")) > 1500);
  assert.ok((await page.getByRole("row").count()) < 80);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
  const phone = await open(id, undefined, { width: 390, height: 844, language: "zh", scheme: "dark" });
  await phone.getByRole("grid").waitFor();
  await hearth.fits(phone);
  await hearth.shot(phone, "d1-tables-phone-zh");
  await phone.context().close();
});

test("a plan is shown as a tree, for each statement; an error is the database's own", async () => {
  const id = await create("plans");
  await query(id, "CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT); CREATE INDEX by_b ON a (b)");
  const page = await open(id, "sql");
  await type(page, "SELECT * FROM a WHERE b = 'semi;colon'; SELECT count(*) FROM a;");
  await page.getByRole("button", { name: "Show plan" }).click();
  await page.getByText("USING INDEX by_b").or(page.getByText("USING COVERING INDEX by_b")).first().waitFor();
  await page.getByText("Plan of statement 2").waitFor();
  await hearth.shot(page, "d1-plan");
  await type(page, "SELEC 1");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("alert").getByText(/syntax error/).waitFor();
  await hearth.axe(page);
  await page.context().close();
});

test("what was run is undone, and time travel goes back and forth", async () => {
  const id = await create("travel");
  await query(id, "CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3)");
  const page = await open(id, "sql");
  await type(page, "DELETE FROM t");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("The database has changed.").waitFor();
  assert.equal((await query(id, "SELECT count(*) AS n FROM t"))[0].results[0].n, 0);
  await hearth.shot(page, "d1-undo");
  await page.getByRole("button", { name: "Undo", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undo it" }).click();
  await page.getByText("The database is what it was before").waitFor();
  assert.equal((await query(id, "SELECT count(*) AS n FROM t"))[0].results[0].n, 3);

  const mark = (await hearth.api("GET", `${base}/d1/database/${id}/time_travel/bookmark`)).result.bookmark;
  await query(id, "DROP TABLE t");
  await page.getByRole("tab", { name: "Time travel" }).click();
  await page.getByLabel("Or a bookmark").fill(mark);
  await hearth.axe(page);
  await hearth.shot(page, "d1-travel");
  await page.getByRole("button", { name: "Restore", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restore database" }).click();
  await page.getByText("Before this it was at").waitFor();
  assert.equal((await query(id, "SELECT count(*) AS n FROM t"))[0].results[0].n, 3);
  await page.getByRole("button", { name: "Undo the restore" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restore database" }).click();
  await page.getByText("Before this it was at").waitFor({ state: "detached" });
  assert.deepEqual((await query(id, "SELECT name FROM sqlite_master WHERE name = 't'"))[0].results, []);
  await page.context().close();
});

test("a database is exported to a file, imported into another, and the import is undone", async () => {
  const from = await create("from");
  await query(from, "CREATE TABLE t (x TEXT); INSERT INTO t VALUES ('it''s'), ('ünï')");
  const page = await open(from, "files");
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export" }).click()]);
  assert.equal(saved.suggestedFilename(), "from.sql");
  const chunks = [];
  for await (const chunk of await saved.createReadStream()) chunks.push(chunk);
  const sql = Buffer.concat(chunks);
  assert.match(sql.toString(), /CREATE TABLE/);
  await hearth.axe(page);

  const into = await create("into");
  await page.goto(`${hearth.origin}/a/${hearth.account}/d1/${into}?tab=files`);
  let [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Choose a file" }).click()]);
  await chooser.setFiles({ name: "from.sql", mimeType: "application/sql", buffer: sql });
  await page.getByText(/statements of from\.sql were run/).waitFor();
  await hearth.shot(page, "d1-files");
  assert.equal((await query(into, "SELECT count(*) AS n FROM t"))[0].results[0].n, 2);
  await page.getByRole("button", { name: "Undo the import" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undo it" }).click();
  await page.getByText("The database is what it was before").waitFor();
  [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.getByRole("button", { name: "Choose a file" }).click()]);
  await chooser.setFiles({ name: "bad.sql", mimeType: "application/sql", buffer: Buffer.from("CREATE TABLE q (x); NONSENSE;") });
  await page.getByRole("alert").getByText(/syntax|NONSENSE/i).first().waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("names of tables and columns and values are text, whatever they hold", async () => {
  const id = await create("evil");
  const name = EVIL.replaceAll('"', '""');
  await query(id, `CREATE TABLE "${name}" ("${name}" TEXT)`);
  await query(id, `INSERT INTO "${name}" VALUES ('${EVIL}')`);
  const page = await open(id);
  await page.getByRole("grid").getByRole("gridcell", { name: EVIL }).waitFor();
  await page.getByRole("tab", { name: "SQL" }).click();
  await type(page, `SELECT '${EVIL}' AS "${name}"`);
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("gridcell", { name: EVIL }).waitFor();
  await type(page, `SELECT "${name}x" FROM nowhere`);
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("alert").waitFor();
  await page.waitForTimeout(200);
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("its pages look right in both languages, light and dark, and on a phone", async () => {
  const id = await create("looks");
  await query(id, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t (name) VALUES ('a'), (NULL)");
  const path = `/a/${hearth.account}/d1`;
  await hearth.look(path, "d1", (page) => page.getByRole("grid").waitFor());
  await hearth.look(`${path}/${id}`, "d1-tables", (page) => page.getByRole("grid").waitFor());
  await hearth.look(`${path}/${id}?tab=sql`, "d1-sql", (page) => page.locator(".cm-editor").waitFor());
  await hearth.look(`${path}/${id}?tab=travel`, "d1-travel", (page) => page.locator("pre").waitFor());
  await hearth.look(`${path}/${id}?tab=files`, "d1-files");
});
