// What a worker can be bound to: the account's own things, by kind.
import { all, api } from "../../api/client";
import { workersQuery } from "../list";
import type { Binding } from "./change";

export const KINDS = ["kv_namespace", "r2_bucket", "d1", "queue", "service"] as const;
export type Kind = (typeof KINDS)[number];

export interface Target {
  value: string;
  label: string;
}

/** The member of a binding that says what it is bound to. */
export const MEMBER: Record<Kind, string> = {
  kv_namespace: "namespace_id",
  r2_bucket: "bucket_name",
  d1: "id",
  queue: "queue_name",
  service: "service",
};

/** Everything of a kind. */
export async function targets(account: string, kind: Kind): Promise<Target[]> {
  const path = { account };
  switch (kind) {
    case "kv_namespace": {
      const list = await all((query) => api.GET("/client/v4/accounts/{account}/storage/kv/namespaces", { params: { path, query } }));
      return list.map(({ id, title }) => ({ value: id, label: title }));
    }
    case "r2_bucket": {
      const { data } = await api.GET("/client/v4/accounts/{account}/r2/buckets", { params: { path, query: { per_page: 1000 } } });
      return (data?.result.buckets ?? []).map(({ name }) => ({ value: name, label: name }));
    }
    case "d1": {
      const list = await all((query) => api.GET("/client/v4/accounts/{account}/d1/database", { params: { path, query } }));
      return list.map(({ uuid, name }) => ({ value: uuid, label: name }));
    }
    case "queue": {
      const list = await all((query) => api.GET("/client/v4/accounts/{account}/queues", { params: { path, query } }));
      return list.map(({ queue_name: name }) => ({ value: name, label: name }));
    }
    case "service":
      return (await workersQuery(account).queryFn()).map(({ id }) => ({ value: id, label: id }));
  }
}

/** What a binding is bound to, as its members say it. */
export function boundTo(binding: Binding): string {
  const known = ["namespace_id", "bucket_name", "database_id", "id", "queue_name", "service", "class_name", "workflow_name", "dataset", "namespace"];
  const parts = known.map((member) => binding[member]).filter((value) => typeof value === "string");
  const script = typeof binding["script_name"] === "string" ? [binding["script_name"]] : [];
  return [...new Set(parts), ...script].join(" · ");
}
