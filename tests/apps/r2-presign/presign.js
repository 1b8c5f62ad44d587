// Presigned URLs (AWS Signature Version 4) with nothing but Web Crypto. R2's binding has no method for it, on Cloudflare
// neither: a URL is signed with an API token's id and the SHA-256 of the token, and is good for the S3 endpoint.

const encoder = new TextEncoder();

const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => "%" + letter.charCodeAt(0).toString(16).toUpperCase());

async function hmac(key, text) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return crypto.subtle.sign("HMAC", imported, encoder.encode(text));
}

/**
 * A URL that lets whoever has it do one thing for `expiresIn` seconds, a week at most.
 * @param {{endpoint: string, bucket: string, accessKeyId: string, secretAccessKey: string}} where
 * @param {string} method `GET` or `PUT`, for instance
 * @param {string} key
 * @param {number} expiresIn
 */
export async function presign(where, method, key, expiresIn) {
  const url = new URL(where.endpoint);
  url.pathname = "/" + [where.bucket, ...key.split("/")].map(encode).join("/");
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${date.slice(0, 8)}/auto/s3/aws4_request`;
  const query = [
    ["X-Amz-Algorithm", "AWS4-HMAC-SHA256"],
    ["X-Amz-Credential", `${where.accessKeyId}/${scope}`],
    ["X-Amz-Date", date],
    ["X-Amz-Expires", String(expiresIn)],
    ["X-Amz-SignedHeaders", "host"],
  ]
    .map(([name, value]) => `${name}=${encode(value)}`)
    .join("&");
  const request = [method, url.pathname, query, `host:${url.host}`, "", "host", "UNSIGNED-PAYLOAD"].join("\n");
  const digest = hex(await crypto.subtle.digest("SHA-256", encoder.encode(request)));
  let signing = encoder.encode("AWS4" + where.secretAccessKey);
  for (const part of scope.split("/")) signing = await hmac(signing, part);
  const signature = hex(await hmac(signing, ["AWS4-HMAC-SHA256", date, scope, digest].join("\n")));
  return `${url.origin}${url.pathname}?${query}&X-Amz-Signature=${signature}`;
}
