import { presign } from "./presign.js";

// The guide's `env.BUCKET.createSignedUrl(key, { expiresIn: 3600 })`, which is not there, made with what is.
export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const key = decodeURIComponent(pathname.slice(1));
    if (searchParams.has("sign")) {
      const where = {
        endpoint: env.S3_ENDPOINT,
        bucket: env.BUCKET_NAME,
        accessKeyId: env.R2_ACCESS_KEY_ID,
        secretAccessKey: env.R2_SECRET_ACCESS_KEY,
      };
      const expiresIn = Number(searchParams.get("expires") ?? 3600);
      return new Response(await presign(where, searchParams.get("sign"), key, expiresIn));
    }
    if (request.method === "PUT") {
      await env.BUCKET.put(key, request.body);
      return new Response(null, { status: 204 });
    }
    const object = await env.BUCKET.get(key);
    return object ? new Response(object.body) : new Response("not there", { status: 404 });
  },
};
