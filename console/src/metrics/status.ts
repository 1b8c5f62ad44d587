import { api, result } from "../api/client";
import { key } from "../api/query";

/** How an account's workers are now, and what it stores. */
export const statusQuery = (account: string) => ({
  queryKey: key(account, "status"),
  queryFn: () => result(api.GET("/client/v4/accounts/{account}/hearth/status", { params: { path: { account } } })),
  refetchInterval: 15_000,
});
