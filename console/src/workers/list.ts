import { all, api, type Schema } from "../api/client";
import { key } from "../api/query";

/** What wrangler deployed: the other APIs' workers are functions, and have pages of their own. */
export const workersQuery = (account: string) => ({
  queryKey: key(account, "workers"),
  queryFn: async (): Promise<Schema<"Script">[]> => {
    const scripts = await all((query) =>
      api.GET("/client/v4/accounts/{account}/workers/scripts", { params: { path: { account }, query } }),
    );
    return scripts.filter(({ kind }) => kind === "workers");
  },
  staleTime: 30_000,
});
