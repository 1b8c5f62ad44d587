// A provider of single sign-on: oidc-provider as it is, whose people need no password. `GET /as/<person>` says who sits at
// the browser from now on, `GET /groups/<person>/<a,b>` in which groups somebody is.
import Provider from "oidc-provider";

const [port, callback] = process.argv.slice(2);
const people = {
  ann: { email: "ann@corp.test", email_verified: true, name: "Ann Lee", groups: ["dev"] },
  bob: { email: "bob@corp.test", email_verified: true, name: "Bob", groups: ["sales"] },
  eve: { email: "op@corp.test", email_verified: false, name: "Eve", groups: ["dev"] },
};
let person = "ann";

const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ client_id: "hearth", client_secret: "s3cret+/=: %", redirect_uris: [callback] }],
  scopes: ["openid", "profile", "email", "groups"],
  claims: { openid: ["sub"], profile: ["name"], email: ["email", "email_verified"], groups: ["groups"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  pkce: { required: () => true },
  cookies: { keys: ["test"] },
  async loadExistingGrant(ctx) {
    const { Grant } = ctx.oidc.provider;
    const grant = new Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile email groups");
    await grant.save();
    return grant;
  },
});
provider.use(async (ctx, next) => {
  const [, what, who, groups] = ctx.path.split("/");
  if (what === "as") {
    person = who;
    ctx.body = person;
  } else if (what === "groups") {
    people[who].groups = groups ? groups.split(",") : [];
    ctx.body = groups ?? "";
  } else if (what === "interaction") {
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, { login: { accountId: person } }));
  } else {
    await next();
  }
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
