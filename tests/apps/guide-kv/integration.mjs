// The guide's integration test (its lines 2204-2218), against wrangler's own simulator. Differs: `getMiniflareBindings` is
// gone, `getPlatformProxy` stands in its place; without a queue, the test writes itself what the consumer would.
import { createRequire } from "node:module";

const { getPlatformProxy } = createRequire(process.env.SDK_FROM)("wrangler");
const { env, dispose } = await getPlatformProxy();

await env.MY_KV.put('processed', 'yes');

// 验证结果
const result = await env.MY_KV.get('processed');
await dispose();
console.log(`processed: ${result}`);
