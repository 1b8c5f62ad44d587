// Verifies what it is shown as Cloudflare's documentation has it, with npm's jose against the keys of the server.
import { createRemoteJWKSet, jwtVerify } from "jose";

export default {
  async fetch(request, env) {
    const token = request.headers.get("cf-access-jwt-assertion");
    const seen = {
      path: new URL(request.url).pathname,
      email: request.headers.get("cf-access-authenticated-user-email"),
      cookie: request.headers.get("cookie"),
      secret: request.headers.get("cf-access-client-secret"),
    };
    if (request.headers.get("upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.send(JSON.stringify(seen));
      return new Response(null, { status: 101, webSocket: client });
    }
    if (token === null) return Response.json({ ...seen, verified: null });
    const keys = createRemoteJWKSet(new URL(`${env.ISSUER}/cdn-cgi/access/certs`));
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        issuer: env.ISSUER,
        audience: env.AUD,
        algorithms: ["RS256"],
      });
      return Response.json({ ...seen, verified: payload, kid: protectedHeader.kid });
    } catch (error) {
      return Response.json({ ...seen, failed: String(error) }, { status: 500 });
    }
  },
};
