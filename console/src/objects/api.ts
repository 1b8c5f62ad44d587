import { all, api, body, type Schema } from "../api/client";
import { key } from "../api/query";

export type Namespace = Schema<"ObjectNamespace">;

export const namespacesQuery = (account: string) => ({
  queryKey: key(account, "objects", "namespaces"),
  queryFn: (): Promise<Namespace[]> =>
    all((query) =>
      api.GET("/client/v4/accounts/{account}/workers/durable_objects/namespaces", { params: { path: { account }, query } }),
    ),
});

/** Objects that a page of the API may have. */
const PAGE = 1000;

export const objectsQuery = (account: string, namespace: string) => ({
  queryKey: key(account, "objects", namespace, "list"),
  initialPageParam: "",
  queryFn: async ({ pageParam: cursor }: { pageParam: string }) => {
    const query = { limit: PAGE, ...(cursor === "" ? {} : { cursor }) };
    const page = await body(
      api.GET("/client/v4/accounts/{account}/workers/durable_objects/namespaces/{namespace}/objects", {
        params: { path: { account, namespace }, query },
      }),
    );
    return { objects: page.result, cursor: page.result_info.cursor ?? "" };
  },
  getNextPageParam: (last: { cursor: string }) => (last.cursor === "" ? undefined : last.cursor),
});
