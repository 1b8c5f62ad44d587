import { getAssetFromKV, NotFoundError } from "@cloudflare/kv-asset-handler";
import manifest from "__STATIC_CONTENT_MANIFEST";

const ASSET_MANIFEST = JSON.parse(manifest);

export default {
  async fetch(request, env, context) {
    const event = { request, waitUntil: (promise) => context.waitUntil(promise) };
    try {
      return await getAssetFromKV(event, { ASSET_NAMESPACE: env.__STATIC_CONTENT, ASSET_MANIFEST });
    } catch (error) {
      return new Response(error instanceof NotFoundError ? "nothing" : String(error), { status: 404 });
    }
  },
};
