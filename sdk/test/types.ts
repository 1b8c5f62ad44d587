// What the types of the document let through and what not; compiled, never run.
import { Hearth } from "hearth-sdk";
import type { D1Database, KvNamespace } from "hearth-sdk";

export async function typed(hearth: Hearth): Promise<void> {
  const account = await hearth.account();
  const { data } = await hearth.api.GET("/client/v4/accounts/{account}/queues", { params: { path: { account } } });
  const names: string[] | undefined = data?.result.map((queue) => queue.queue_name);
  void names;
  // @ts-expect-error there is no such path
  await hearth.api.GET("/client/v4/nothing");
  // @ts-expect-error the account is missing
  await hearth.api.GET("/client/v4/accounts/{account}/queues");
  // @ts-expect-error a queue has no such member
  data?.result[0]?.nothing;
  // @ts-expect-error the path takes no POST
  await hearth.api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/versions/{version}");

  await hearth.functions.create({ name: "a", runtime: "python", handler: "h", code: "def h(): pass" });
  // @ts-expect-error there is no such runtime
  await hearth.functions.create({ name: "a", runtime: "cobol", handler: "h", code: "" });
  // @ts-expect-error the code is missing
  await hearth.functions.create({ name: "a", runtime: "go", handler: "h" });
  const p99: number | null = (await hearth.functions.stats("id")).p99_ms;
  void p99;
  // @ts-expect-error there is no such rule
  await hearth.access.setRule("a", "closed");

  const { env } = await hearth.bindings<{ KV: KvNamespace; DB: D1Database; NAME: string }>({ worker: "a" });
  const text: string | null = await env.KV.get("k");
  const json: { a: number } | null = await env.KV.get("k", "json");
  void text, json;
  const rows = await env.DB.prepare("SELECT 1 AS one").all<{ one: number }>();
  const one: number | undefined = rows.results[0]?.one;
  void one;
  // @ts-expect-error a stream is no text
  const wrong: string | null = await env.KV.get("k", "stream");
  void wrong;
}
