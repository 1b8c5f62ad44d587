// The README's examples are programs, which run in their order.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

test("every example of the README runs", async () => {
  const root = new URL("..", import.meta.url).pathname;
  const text = await readFile(join(root, "README.md"), "utf8");
  const examples = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1]);
  assert.ok(examples.length >= 6, `${examples.length}`);
  // Inside of the package, so that its own name leads to it.
  const folder = await mkdtemp(join(root, "readme-"));
  const printed = [];
  try {
    for (const [index, example] of examples.entries()) {
      const file = join(folder, `${index}.mjs`);
      await writeFile(file, example);
      const { stdout } = await promisify(execFile)(process.execPath, [file]).catch((error) => {
        throw new Error(`${error.stderr}\n${example}`);
      });
      printed.push(stdout);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  assert.match(printed[1], /greeter/);
  assert.match(printed[2], /^true 3 /);
  assert.equal(printed[4], "404 10007 This Worker does not exist on your account.\n");
  assert.match(printed[5], /<h1>Pages<\/h1>/);
});
