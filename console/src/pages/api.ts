import { all, api, body, json, result, type Schema } from "../api/client";
import { key, queries } from "../api/query";
import type { Dropped } from "../ui/Drop";
import { upload } from "../ui/transfer";

export type Project = Schema<"PagesProject">;
export type Deployment = Schema<"PagesDeployment">;
export type Domain = Schema<"PagesDomain">;
export type Where = "production" | "preview";

const of = (account: string, project: string) => ({ path: { account, project } });

export const projectsQuery = (account: string) => ({
  queryKey: key(account, "pages", "list"),
  queryFn: (): Promise<Project[]> =>
    all((query) => api.GET("/client/v4/accounts/{account}/pages/projects", { params: { path: { account }, query } })),
});

export const assetsQuery = (account: string) => ({
  queryKey: key(account, "pages", "assets"),
  queryFn: async (): Promise<Schema<"Script">[]> => {
    const scripts = await all((query) =>
      api.GET("/client/v4/accounts/{account}/workers/scripts", { params: { path: { account }, query } }),
    );
    return scripts.filter(({ kind, has_assets: assets }) => kind === "workers" && assets === true);
  },
});

export const projectQuery = (account: string, project: string) => ({
  queryKey: key(account, "pages", project, "about"),
  queryFn: () => result(api.GET("/client/v4/accounts/{account}/pages/projects/{project}", { params: of(account, project) })),
});

export const deploymentsQuery = (account: string, project: string) => ({
  queryKey: key(account, "pages", project, "deployments"),
  queryFn: (): Promise<Deployment[]> =>
    all(({ page, per_page }) =>
      api.GET("/client/v4/accounts/{account}/pages/projects/{project}/deployments", {
        params: { ...of(account, project), query: { page, per_page } },
      }),
    ),
});

export const domainsQuery = (account: string, project: string) => ({
  queryKey: key(account, "pages", project, "domains"),
  queryFn: () =>
    result(api.GET("/client/v4/accounts/{account}/pages/projects/{project}/domains", { params: of(account, project) })),
});

export const logQuery = (account: string, project: string, deployment: string) => ({
  queryKey: key(account, "pages", project, "log", deployment),
  queryFn: () =>
    result(
      api.GET("/client/v4/accounts/{account}/pages/projects/{project}/deployments/{deployment}/history/logs", {
        params: { path: { account, project, deployment } },
      }),
    ),
});

export function stale(account: string): Promise<void> {
  return queries.invalidateQueries({ queryKey: key(account, "pages") });
}

export async function patch(account: string, project: string, change: Record<string, unknown>): Promise<void> {
  await body(
    api.PATCH("/client/v4/accounts/{account}/pages/projects/{project}", { params: of(account, project), body: change }),
  );
  await stale(account);
}

/** Files without the folder that all of them are in. */
export function rooted(files: Dropped[]): Dropped[] {
  const first = files[0]?.path.split("/")[0];
  const shared = files.every(({ path }) => path.includes("/") && path.split("/")[0] === first);
  return shared ? files.map(({ path, file }) => ({ path: path.slice((first ?? "").length + 1), file })) : files;
}

/** Files that say how the others are served: they are parts of the form themselves. */
const RULES = new Set(["_headers", "_redirects", "_routes.json", "_worker.js"]);
/** What wrangler leaves out too. */
const LEFT_OUT = /(^|\/)(\.DS_Store|\.git|node_modules)(\/|$)/;

interface Content {
  path: string;
  hash: string;
  base64: string;
  type: string;
}

function base64Of(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error ?? new Error(file.name));
    reader.readAsDataURL(file);
  });
}

export interface Progress {
  at: "hashing" | "sending" | "deploying";
  share: number;
}

/** Bytes of one call that carries contents. */
const BATCH = 16 << 20;

/** Deploys files as wrangler does: those that the project does not have yet, then what is where. */
export async function deploy(
  account: string,
  project: string,
  branch: string,
  files: Dropped[],
  onProgress: (progress: Progress) => void,
): Promise<Deployment> {
  const [{ blake3 }, { bytesToHex, utf8ToBytes }] = await Promise.all([
    import("@noble/hashes/blake3.js"),
    import("@noble/hashes/utils.js"),
  ]);
  const taken = files.filter(({ path }) => !LEFT_OUT.test(path));
  const rules = taken.filter(({ path }) => RULES.has(path));
  const contents: Content[] = [];
  for (const { path, file } of taken.filter((one) => !rules.includes(one))) {
    const base64 = await base64Of(file);
    const name = path.split("/").at(-1) ?? "";
    const extension = name.includes(".") ? (name.split(".").at(-1) ?? "") : "";
    const hash = bytesToHex(blake3(utf8ToBytes(base64 + extension))).slice(0, 32);
    contents.push({ path, hash, base64, type: file.type === "" ? "application/octet-stream" : file.type });
    onProgress({ at: "hashing", share: contents.length / taken.length });
  }

  onProgress({ at: "sending", share: 0 });
  const { jwt } = await result(
    api.GET("/client/v4/accounts/{account}/pages/projects/{project}/upload-token", { params: of(account, project) }),
  );
  const headers = { authorization: `Bearer ${jwt}`, "content-type": "application/json" };
  const post = async <T>(path: string, sent: unknown, onShare?: (share: number) => void): Promise<T> => {
    const text = await upload({ method: "POST", path: `/client/v4/pages/assets/${path}`, body: JSON.stringify(sent), headers, ...(onShare === undefined ? {} : { onProgress: onShare }) });
    return (JSON.parse(text) as { result: T }).result;
  };
  const hashes = [...new Set(contents.map(({ hash }) => hash))];
  const missing = new Set(await post<string[]>("check-missing", { hashes }));
  const wanted = [...new Map(contents.filter(({ hash }) => missing.has(hash)).map((one) => [one.hash, one])).values()];
  const total = wanted.reduce((sum, { base64 }) => sum + base64.length, 0) || 1;
  let sent = 0;
  while (wanted.length > 0) {
    const batch: Content[] = [];
    let size = 0;
    while (wanted[0] !== undefined && (batch.length === 0 || size + wanted[0].base64.length <= BATCH)) {
      size += wanted[0].base64.length;
      batch.push(wanted[0]);
      wanted.shift();
    }
    const entries = batch.map(({ hash, base64, type }) => ({ key: hash, value: base64, metadata: { contentType: type }, base64: true }));
    await post("upload", entries, (share) => onProgress({ at: "sending", share: (sent + share * size) / total }));
    sent += size;
  }
  await post("upsert-hashes", { hashes });

  onProgress({ at: "deploying", share: 1 });
  const form = new FormData();
  form.set("manifest", JSON.stringify(Object.fromEntries(contents.map(({ path, hash }) => [`/${path}`, hash]))));
  form.set("branch", branch);
  for (const { path, file } of rules) form.set(path, file);
  const answer = await upload({ method: "POST", path: `/client/v4/accounts/${account}/pages/projects/${project}/deployments`, body: form });
  await stale(account);
  return (JSON.parse(answer) as { result: Deployment }).result;
}

/** A deployment and what is done with it. */
export async function act(account: string, project: string, deployment: string, what: "retry" | "rollback"): Promise<void> {
  await json("POST", `/client/v4/accounts/${account}/pages/projects/${project}/deployments/${deployment}/${what}`);
  await stale(account);
}
