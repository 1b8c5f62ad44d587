// People: how an operator lets them in, and how they look after their own sign-in.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

let hearth;
before(async () => {
  hearth = await start();
});
after(() => hearth?.stop());

/** The code that an authenticator shows (RFC 6238), `ahead` periods of 30 seconds from now. */
function code(secret, ahead = 0) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0"));
  const bytes = bits.join("").match(/.{8}/g).map((byte) => Number.parseInt(byte, 2));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const digest = createHmac("sha1", Buffer.from(bytes)).update(counter).digest();
  return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** A person, invited by the API, and a page in which they have set their password. */
async function person(email, path, server = hearth) {
  const user = await server.api("POST", "/api/users", { email, name: "Ann" });
  const { url } = await server.api("POST", `/api/users/${user.id}/invitation`);
  const page = await server.open(new URL(url).pathname);
  await accept(page);
  await page.goto(`${server.origin}${path}`);
  return page;
}

async function accept(page) {
  await page.getByLabel("New password", { exact: true }).fill("correct horse");
  await page.getByLabel("The same again").fill("correct horse");
  await page.getByRole("button", { name: "Set password" }).click();
  await page.waitForURL((url) => !url.pathname.startsWith("/invitation"));
}

test("an operator adds somebody, who sets a password by the link; then suspends and removes them", async () => {
  const page = await hearth.open("/installation/users");
  await page.getByRole("heading", { name: "Nobody signs in yet" }).waitFor();
  await page.getByRole("button", { name: "Add somebody" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("E-mail address").fill("bob@corp.test");
  await dialog.getByLabel("Name").fill("Bob");
  await dialog.getByRole("combobox", { name: "Account" }).click();
  await page.getByRole("option").first().click();
  await hearth.axe(page);
  await dialog.getByRole("button", { name: "Add somebody" }).click();
  const link = await page.getByRole("dialog").locator("pre").innerText();
  assert.match(link, /\/invitation\/\S{20,}$/);
  await hearth.axe(page);
  await hearth.shot(page, "users-link");
  await page.getByRole("button", { name: "Done" }).click();
  await page.getByRole("row", { name: /bob@corp\.test.*Invited/ }).waitFor();
  assert.ok(!(await page.content()).includes(link), "the link is shown once");

  const theirs = await hearth.open(new URL(link).pathname);
  await accept(theirs);
  await theirs.getByRole("button", { name: /Bob/ }).waitFor();
  assert.deepEqual(theirs.amiss, []);

  await page.reload();
  await page.getByRole("button", { name: "What to do with bob@corp.test" }).click();
  await page.getByRole("menuitem", { name: "Suspend" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
  await page.getByRole("row", { name: /bob@corp\.test.*Suspended/ }).waitFor();
  await theirs.context().close();

  await page.getByRole("button", { name: "What to do with bob@corp.test" }).click();
  await page.getByRole("menuitem", { name: "Remove" }).click();
  const remove = page.getByRole("dialog").getByRole("button", { name: "Remove" });
  assert.ok(await remove.isDisabled(), "the address has to be typed first");
  await page.getByLabel("Type bob@corp.test to confirm").fill("bob@corp.test");
  await remove.click();
  await page.getByRole("heading", { name: "Nobody signs in yet" }).waitFor();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a person sets up an authenticator from a QR code made here, and changes the password", async () => {
  const page = await person("ann@corp.test", "/me");
  await page.getByRole("heading", { level: 1, name: "Your sign-in" }).waitFor();
  const asked = [];
  page.on("request", (request) => asked.push(new URL(request.url()).origin));
  await page.getByRole("button", { name: "Set up" }).click();
  await page.getByRole("img", { name: "QR code of the key" }).waitFor();
  await hearth.axe(page);
  await hearth.shot(page, "me-totp");
  const secret = await page.getByLabel("Key", { exact: true }).innerText();
  const confirm = page.getByRole("dialog").getByRole("button", { name: "Confirm" });
  await page.getByLabel("Code that the app shows").fill("000000");
  await confirm.click();
  await page.getByRole("dialog").getByRole("alert").waitFor();
  await page.getByLabel("Code that the app shows").fill(code(secret));
  await confirm.click();
  const codes = (await page.locator("pre[aria-label=\"Recovery codes\"]").innerText()).split("\n");
  assert.ok(codes.length >= 8, codes.join());
  await hearth.axe(page);
  await page.getByRole("button", { name: "I have kept them" }).click();
  await page.getByText(`${codes.length} recovery codes are left.`).waitFor();
  assert.ok(asked.every((origin) => origin === hearth.origin), "the secret stays here");

  await page.getByRole("button", { name: "Change password" }).click();
  await page.getByLabel("Present password").fill("correct horse");
  await page.getByLabel("New password").fill("another horse");
  await page.getByLabel("The same again").fill("another horse");
  await page.getByRole("dialog").getByRole("button", { name: "Change password" }).click();
  await page.getByText("Your password is changed").waitFor();

  // The new password and a recovery code sign in elsewhere, which is listed here and ended from here.
  const other = await hearth.open("/sign-in");
  const signIn = await other.evaluate(
    async ([recovery]) => {
      const send = (path, body) =>
        fetch(path, {
          method: "POST",
          headers: { "content-type": "application/json", "x-hearth-csrf": "1" },
          body: JSON.stringify(body),
        });
      const first = await send("/api/session", { email: "ann@corp.test", password: "another horse" });
      const { ticket } = await first.json();
      return (await send("/api/session/second", { ticket, recovery })).status;
    },
    [codes[0]],
  );
  assert.equal(signIn, 200);
  await page.reload();
  await page.getByText("This one").waitFor();
  await page.getByRole("button", { name: /^Sign out Chrome/ }).click();
  await page.getByText("That session has ended.").waitFor();
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Sign out everywhere" }).click();
  await page.waitForURL((url) => url.pathname !== "/me");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
  await other.context().close();
});

test("people's pages look right everywhere", async () => {
  for (const name of ["carla", "dora"]) await hearth.api("POST", "/api/users", { email: `${name}@corp.test`, name });
  await hearth.look("/installation/users", "users", (page) => page.getByText("carla@corp.test").waitFor());
  await hearth.look("/me", "me-nobody");
  const page = await person("eve@corp.test", "/me");
  const state = await page.context().storageState();
  await hearth.look("/me", "me", (own) => own.getByText(/This one|当前会话/).waitFor(), { context: { storageState: state } });
  await page.context().close();
});
