import { all, api, body, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";

export type Workflow = Schema<"Workflow">;
export type Status = Schema<"InstanceStatus">;

/** What can still change by itself. */
export const OPEN: ReadonlySet<Status> = new Set(["queued", "running", "waiting", "waitingForPause"]);

export const COLOURS: Record<Status, string> = {
  queued: "gray",
  running: "blue",
  paused: "yellow",
  errored: "red",
  terminated: "gray",
  complete: "teal",
  waiting: "blue",
  waitingForPause: "yellow",
  unknown: "gray",
};

export const workflowsQuery = (account: string) => ({
  queryKey: key(account, "workflows", "list"),
  queryFn: (): Promise<Workflow[]> =>
    all((query) => api.GET("/client/v4/accounts/{account}/workflows", { params: { path: { account }, query } })),
});

export const workflowQuery = (account: string, workflow: string) => ({
  queryKey: key(account, "workflows", workflow, "about"),
  queryFn: (): Promise<Workflow> =>
    result(api.GET("/client/v4/accounts/{account}/workflows/{workflow}", { params: { path: { account, workflow } } })),
});

const PER_PAGE = 100;

export const instancesQuery = (account: string, workflow: string, status: Status | undefined) => ({
  queryKey: key(account, "workflows", workflow, "instances", status ?? ""),
  initialPageParam: 1,
  queryFn: async ({ pageParam: page }: { pageParam: number }) => {
    const query = { page, per_page: PER_PAGE, ...(status === undefined ? {} : { status }) };
    const path = "/client/v4/accounts/{account}/workflows/{workflow}/instances";
    const got = await body(api.GET(path, { params: { path: { account, workflow }, query } }));
    return { instances: got.result, next: page * PER_PAGE < got.result_info.total_count ? page + 1 : undefined };
  },
  getNextPageParam: (last: { next: number | undefined }) => last.next,
  staleTime: 0,
});

export const instanceQuery = (account: string, workflow: string, instance: string) => ({
  queryKey: key(account, "workflows", workflow, "instance", instance),
  queryFn: () =>
    result(
      api.GET("/client/v4/accounts/{account}/workflows/{workflow}/instances/{instance}", {
        params: { path: { account, workflow, instance } },
      }),
    ),
  staleTime: 0,
});

export type Change = "pause" | "resume" | "restart" | "terminate";

/** What can be done with an instance in a status. */
export function changesOf(status: Status): Change[] {
  switch (status) {
    case "queued":
    case "running":
    case "waiting":
      return ["pause", "restart", "terminate"];
    case "paused":
    case "waitingForPause":
      return ["resume", "restart", "terminate"];
    default:
      return ["restart"];
  }
}

export async function changeStatus(account: string, workflow: string, instance: string, status: Change): Promise<Status> {
  const path = "/client/v4/accounts/{account}/workflows/{workflow}/instances/{instance}/status";
  const changed = await result(api.PATCH(path, { params: { path: { account, workflow, instance } }, body: { status } }));
  await stale(account);
  return changed.status;
}

export function stale(account: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: key(account, "workflows") });
}
