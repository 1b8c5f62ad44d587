// One worker: what its pages read.
import { useParams } from "@tanstack/react-router";

import { all, api, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";

export interface One {
  account: string;
  worker: string;
}

/** The account and the worker that the page is about. */
export function useOne(): One {
  const { account, worker } = useParams({ strict: false });
  return { account: account ?? "", worker: worker ?? "" };
}

export const oneKey = ({ account, worker }: One, ...rest: readonly unknown[]) => key(account, "worker", worker, ...rest);

/** After a change: whatever is known of the worker is asked again, and the list. */
export async function changed(one: One): Promise<void> {
  await Promise.all([
    queries.invalidateQueries({ queryKey: oneKey(one) }),
    queries.invalidateQueries({ queryKey: key(one.account, "workers") }),
  ]);
}

export const deploymentsQuery = (one: One) => ({
  queryKey: oneKey(one, "deployments"),
  queryFn: async (): Promise<Schema<"Deployment">[]> => {
    const call = api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/deployments", {
      params: { path: one, query: { per_page: 100 } },
    });
    return (await result(call)).deployments;
  },
});

export const versionsQuery = (one: One) => ({
  queryKey: oneKey(one, "versions"),
  queryFn: async (): Promise<Schema<"Version">[]> => {
    const call = api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/versions", {
      params: { path: one, query: { per_page: 100 } },
    });
    return (await result(call)).items;
  },
});

export const settingsQuery = (one: One) => ({
  queryKey: oneKey(one, "settings"),
  queryFn: () =>
    result(api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/settings", { params: { path: one } })),
});

export const subdomainQuery = (one: One) => ({
  queryKey: oneKey(one, "subdomain"),
  queryFn: () =>
    result(api.GET("/client/v4/accounts/{account}/workers/scripts/{worker}/subdomain", { params: { path: one } })),
});

/** Hosts that are the worker's as a whole. */
export const domainsQuery = (one: One) => ({
  queryKey: oneKey(one, "domains"),
  queryFn: () => {
    const { account, worker: service } = one;
    const path = "/client/v4/accounts/{account}/workers/domains";
    return all((query) => api.GET(path, { params: { path: { account }, query: { ...query, service } } }));
  },
});

/** The environment that a shell needs for wrangler to talk to this server. */
export const WRANGLER = [
  `export CLOUDFLARE_API_BASE_URL=${window.location.origin}/client/v4`,
  "export CLOUDFLARE_API_TOKEN=…",
];
