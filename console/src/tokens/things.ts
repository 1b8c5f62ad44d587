// Things in an account that a token can be kept to.
import { useQuery } from "@tanstack/react-query";

import { all, api, result } from "../api/client";
import { key } from "../api/query";
import { workersQuery } from "../workers/list";
import type { Kind } from "./policies";

export interface Thing {
  value: string;
  label: string;
}

async function things(account: string, kind: Kind): Promise<Thing[]> {
  const params = { path: { account } };
  switch (kind) {
    case "worker":
      return (await workersQuery(account).queryFn()).map(({ id, tag }) => ({ value: tag ?? id, label: id }));
    case "kv": {
      const path = "/client/v4/accounts/{account}/storage/kv/namespaces";
      const found = await all((query) => api.GET(path, { params: { ...params, query } }));
      return found.map(({ id, title }) => ({ value: id, label: title }));
    }
    case "d1": {
      const found = await all((query) => api.GET("/client/v4/accounts/{account}/d1/database", { params: { ...params, query } }));
      return found.map(({ uuid, name }) => ({ value: uuid, label: name }));
    }
    case "r2": {
      const { buckets } = await result(api.GET("/client/v4/accounts/{account}/r2/buckets", { params }));
      return buckets.map(({ name }) => ({ value: name, label: name }));
    }
    case "queue": {
      const found = await result(api.GET("/client/v4/accounts/{account}/queues", { params }));
      return found.map(({ queue_id: id, queue_name: name }) => ({ value: id, label: name }));
    }
    case "pages": {
      const found = await result(api.GET("/client/v4/accounts/{account}/pages/projects", { params }));
      return found.map(({ name }) => ({ value: name, label: name }));
    }
  }
}

export function useThings(account: string, kind: Kind | undefined) {
  return useQuery({
    queryKey: key(account, "things", kind),
    queryFn: () => things(account, kind ?? "worker"),
    enabled: kind !== undefined && account !== "*",
  });
}
