// Cloudflare's own npm SDK reads both audit logs, to their ends.
import { createRequire } from "node:module";

const { default: Cloudflare } = await import(createRequire(process.env.SDK_FROM).resolve("cloudflare"));
const account_id = process.env.CLOUDFLARE_ACCOUNT_ID;
const client = new Cloudflare({ baseURL: process.env.CLOUDFLARE_API_BASE_URL, apiToken: process.env.CLOUDFLARE_API_TOKEN });

const first = [];
for await (const entry of client.auditLogs.list({ account_id, per_page: 3, direction: "asc" })) {
  first.push([entry.action.type, entry.action.result, entry.resource.type]);
}
const second = [];
const times = { since: "2020-01-01", before: "2100-01-01" };
for await (const entry of client.accounts.logs.audit.list({ account_id, limit: 3, direction: "asc", ...times })) {
  second.push([entry.operation, entry.action.result === "success", entry.resource.type]);
}
const deploys = [];
for await (const entry of client.auditLogs.list({ account_id, action: { type: "deployWorker" } })) deploys.push(entry.actor.email);
console.log(JSON.stringify({ first, second, deploys }));
