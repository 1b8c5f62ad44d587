// Projects to begin with, and which of them the browser can deploy itself: those that are code, variables and crons.
import { api, apiOf, body, result } from "../api/client";
import { key } from "../api/query";
import { deployNew, type Source } from "./edit/source";
import type { One } from "./one";

export const templatesQuery = (account: string) => ({
  queryKey: key(account, "templates"),
  queryFn: async () => (await body(apiOf(account).GET("/api/templates"))).templates,
  staleTime: Infinity,
});

interface Config {
  main?: string;
  compatibility_date?: string;
  compatibility_flags?: string[];
  vars?: Record<string, unknown>;
  triggers?: { crons?: string[] };
}

/** What this page can do of a configuration. The rest needs the server's own deployment of templates. */
const KNOWN = ["$schema", "name", "main", "compatibility_date", "compatibility_flags", "vars", "triggers", "observability"];

/** A worker of a template. */
export async function begin(id: string, one: One): Promise<void> {
  const { content } = await body(apiOf(one.account).GET("/api/templates/{id}", { params: { path: { id } } }));
  const config = JSON.parse((content["wrangler.jsonc"] ?? "{}").replaceAll("{{name}}", one.worker)) as Config;
  const { main } = config;
  const text = main === undefined ? undefined : content[main];
  if (main === undefined || text === undefined || Object.keys(config).some((name) => !KNOWN.includes(name))) {
    const of = apiOf(one.account);
    await body(of.POST("/api/templates/{id}/deploy", { params: { path: { id } }, body: { name: one.worker } }));
    return;
  }
  const name = main.split("/").at(-1) ?? main;
  const type = name.endsWith(".ts") ? "text/plain" : "application/javascript+module";
  const source: Source = { main: name, modules: [{ name, type, text, blob: new Blob([text], { type }) }] };
  const bindings = Object.entries(config.vars ?? {}).map(([variable, value]) =>
    typeof value === "string"
      ? { name: variable, type: "plain_text", text: value }
      : { name: variable, type: "json", json: value },
  );
  await deployNew(one, source, {
    bindings,
    compatibility_date: config.compatibility_date,
    compatibility_flags: config.compatibility_flags,
    observability: { enabled: true },
  });
  const crons = config.triggers?.crons ?? [];
  if (crons.length > 0) {
    await result(
      api.PUT("/client/v4/accounts/{account}/workers/scripts/{worker}/schedules", {
        params: { path: one },
        body: crons.map((cron) => ({ cron })),
      }),
    );
  }
}
