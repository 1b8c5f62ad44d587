// Passkeys, with Chromium's own authenticator that its debugging protocol gives: added, used alone and as a second factor,
// renounced, removed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { start } from "./harness.mjs";

const PASSWORD = "correct horse";

let hearth;
before(async () => {
  hearth = await start({ dev: false });
});
after(() => hearth?.stop());

/** A person who has set a password, on the page of their own sign-in, in a browser with an authenticator. */
async function person(email, options) {
  const user = await hearth.api("POST", "/api/users", { email, name: "Fay" });
  const { url } = await hearth.api("POST", `/api/users/${user.id}/invitation`);
  const page = await hearth.open(new URL(url).pathname);
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("The same again").fill(PASSWORD);
  await page.getByRole("button", { name: "Set password" }).click();
  await page.waitForURL((at) => !at.pathname.startsWith("/invitation"));
  const device = await authenticator(page, options);
  await page.goto(`${hearth.origin}/me`);
  await page.getByText("You have no passkey.").waitFor();
  return { page, device };
}

/** An authenticator of a page's browser. */
async function authenticator(page, options = {}) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  return {
    /** Whether it finds out that its person is who they should be: a finger that it knows. */
    verifies: (isUserVerified) => session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified }),
    credentials: async () => (await session.send("WebAuthn.getCredentials", { authenticatorId })).credentials,
  };
}

async function add(page, name) {
  await page.getByRole("button", { name: "Add a passkey" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByRole("row", { name: new RegExp(name) }).waitFor();
}

async function signOut(page) {
  await page.getByRole("button", { name: /You and this page/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in with a passkey" }).waitFor();
}

test("a passkey is added, signs in alone, and does no more once it is removed", async () => {
  const { page, device } = await person("fay@corp.test");
  await add(page, "Laptop");
  const [credential] = await device.credentials();
  assert.equal(credential.rpId, "localhost");
  assert.ok(credential.isResidentCredential, "it is found without a name");
  await hearth.axe(page);
  await hearth.shot(page, "passkeys");
  await signOut(page);
  await hearth.axe(page);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
  await page.goto(`${hearth.origin}/me`);
  await page.getByRole("row", { name: /Laptop.*(now|second)/ }).waitFor();
  await page.getByRole("button", { name: "Remove Laptop" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove passkey" }).click();
  await page.getByText("You have no passkey.").waitFor();
  // The device has it still.
  assert.equal((await device.credentials()).length, 1);
  await signOut(page);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.getByRole("alert").waitFor();
  assert.equal(new URL(page.url()).pathname, "/sign-in");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("a person whom the device does not know signs nobody in, and adds nothing", async () => {
  const { page, device } = await person("gil@corp.test");
  await device.verifies(false);
  await page.getByRole("button", { name: "Add a passkey" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Add a passkey" }).click();
  await dialog.getByText("No passkey was made.").waitFor();
  assert.deepEqual(await device.credentials(), []);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("You have no passkey.").waitFor();
  await device.verifies(true);
  await add(page, "Phone");
  await signOut(page);
  await device.verifies(false);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.getByText("No passkey was used.").waitFor();
  await hearth.axe(page);
  assert.equal(new URL(page.url()).pathname, "/sign-in");
  await device.verifies(true);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
  await page.waitForURL((url) => url.pathname !== "/sign-in");
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("another browser, whose device has no such passkey, is not let in", async () => {
  const { page } = await person("hal@corp.test");
  await add(page, "Tablet");
  const other = await hearth.open("/sign-in");
  await authenticator(other);
  await other.getByRole("button", { name: "Sign in with a passkey" }).click();
  await other.getByText("No passkey was used.").waitFor();
  assert.deepEqual(other.amiss, []);
  await other.context().close();
  assert.deepEqual(page.amiss, []);
  await page.context().close();
});

test("signing in and one's passkeys look right in both languages, light and dark, and on a phone", async () => {
  const { page } = await person("ida@corp.test");
  await add(page, "Key ring");
  const state = await page.context().storageState();
  await hearth.look("/me", "me-passkeys", (own) => own.getByText("Key ring").waitFor(), { context: { storageState: state } });
  await hearth.look("/sign-in", "sign-in-passkey", (own) => own.getByRole("button", { name: /passkey|通行密钥/ }).waitFor());
  await page.context().close();
});
