// Cloudflare's own npm SDK: upload a worker, list it, keep a secret in it, delete it.
import { createRequire } from "node:module";

const { default: Cloudflare, toFile } = await import(createRequire(process.env.SDK_FROM).resolve("cloudflare"));
const account_id = process.env.CLOUDFLARE_ACCOUNT_ID;
const client = new Cloudflare({ baseURL: process.env.CLOUDFLARE_API_BASE_URL, apiToken: process.env.CLOUDFLARE_API_TOKEN });
const scripts = client.workers.scripts;

const source = "export default { fetch: (request, env) => new Response(`npm ${env.WORD}`) }";
await scripts.update("from-npm", {
  account_id,
  metadata: {
    main_module: "index.js",
    compatibility_date: "2026-01-01",
    bindings: [{ type: "plain_text", name: "WORD", text: "sdk" }],
  },
  files: [await toFile(Buffer.from(source), "index.js", { type: "application/javascript+module" })],
});
await scripts.subdomain.create("from-npm", { account_id, enabled: true });
await scripts.secrets.update("from-npm", { account_id, name: "KEY", text: "sesame", type: "secret_text" });

const names = [];
for await (const script of scripts.list({ account_id })) names.push(script.id);
const secrets = [];
for await (const secret of scripts.secrets.list("from-npm", { account_id })) secrets.push(secret.name);
const { status } = await client.user.tokens.verify();
console.log(JSON.stringify({ names, secrets, status }));
