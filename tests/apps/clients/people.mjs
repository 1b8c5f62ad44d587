// Cloudflare's own npm SDK makes, changes, rolls and deletes tokens and members.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { default: Cloudflare } = await import(createRequire(process.env.SDK_FROM).resolve("cloudflare"));
const account_id = process.env.CLOUDFLARE_ACCOUNT_ID;
const baseURL = process.env.CLOUDFLARE_API_BASE_URL;
const client = new Cloudflare({ baseURL, apiToken: process.env.CLOUDFLARE_API_TOKEN });
const as = (apiToken) => new Cloudflare({ baseURL, apiToken, maxRetries: 0 });

const all = async (pages) => {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
};
const groups = await all(client.accounts.tokens.permissionGroups.list({ account_id, name: "Workers KV Storage Read" }));
const policies = [
  { effect: "allow", permission_groups: [{ id: groups[0].id }], resources: { [`com.cloudflare.api.account.${account_id}`]: "*" } },
];
for (const [tokens, where] of [
  [client.accounts.tokens, { account_id }],
  [client.user.tokens, {}],
]) {
  const made = await tokens.create({ ...where, name: "npm", policies, expires_on: "2100-01-01T00:00:00Z" });
  assert.equal((await all(as(made.value).kv.namespaces.list({ account_id }))).length, 0);
  await assert.rejects(as(made.value).kv.namespaces.create({ account_id, title: "t" }), { status: 403 });
  const call = (name, ...more) => (where.account_id ? tokens[name](made.id, { ...where, ...more[0] }) : tokens[name](made.id, ...more));
  const changed = await call("update", { name: "renamed", policies, status: "active" });
  assert.equal(changed.name, "renamed");
  assert.equal(changed.expires_on, undefined);
  const value = where.account_id
    ? await tokens.value.update(made.id, { account_id, body: {} })
    : await tokens.value.update(made.id, { body: {} });
  await assert.rejects(all(as(made.value).kv.namespaces.list({ account_id })), { status: 401 });
  assert.equal((await all(as(value).kv.namespaces.list({ account_id }))).length, 0);
  assert.ok((await all(tokens.list(where))).some((token) => token.id === made.id));
  await call("delete");
  await assert.rejects(call("get"), { status: 404 });
}

const roles = await all(client.accounts.roles.list({ account_id }));
const role = (name) => roles.find((role) => role.name === name).id;
const member = await client.accounts.members.create({ account_id, email: "npm@corp.example", roles: [role("viewer")] });
assert.equal(member.status, "pending");
const changed = await client.accounts.members.update(member.id, { account_id, roles: [{ id: role("developer") }] });
assert.equal(changed.roles[0].name, "developer");
assert.ok((await all(client.accounts.members.list({ account_id }))).some((one) => one.user.email === "npm@corp.example"));
await client.accounts.members.delete(member.id, { account_id });
await assert.rejects(client.accounts.members.get(member.id, { account_id }), { status: 404 });

const account = await client.accounts.create({ name: "From npm", type: "standard" });
assert.equal((await client.accounts.update({ account_id: account.id, id: account.id, name: "Renamed", type: "standard" })).name, "Renamed");
await client.accounts.delete({ account_id: account.id });
console.log("made, changed, rolled and deleted");
