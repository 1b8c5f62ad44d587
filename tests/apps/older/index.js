import { Buffer } from "node:buffer";

export default {
  fetch: (request, env) => new Response(`${env.WORD} ${env.KEY ?? "-"} ${Buffer.from("ok").toString("hex")}`),
};
