// The server that the tests talk to, which the environment names as for wrangler.
import http from "node:http";

import { Hearth } from "hearth-sdk";

export const hearth = new Hearth();

/** A request to a worker at the URL where it is served: its host is a name that this machine need not know. */
export function visit(url, { path = "/", method = "GET", headers = {}, body } = {}) {
  const server = new URL(process.env.CLOUDFLARE_API_BASE_URL);
  const options = {
    host: server.hostname,
    port: server.port,
    path,
    method,
    headers: { ...headers, host: new URL(url).host },
  };
  return new Promise((resolve, reject) => {
    const request = http.request(options, async (response) => {
      const pieces = [];
      for await (const piece of response) pieces.push(piece);
      resolve({ status: response.statusCode, text: Buffer.concat(pieces).toString() });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** The result of one of the SDK's own operations, for what the tests have to prepare. */
export async function made(call) {
  const { data, error } = await call;
  if (error !== undefined) throw new Error(JSON.stringify(error));
  return data.result;
}
