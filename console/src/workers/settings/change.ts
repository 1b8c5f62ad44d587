// Changes of a worker's bindings: a new version, with everything that is not named taken from the one before.
import { api, result, type Schema } from "../../api/client";
import { changed, type One } from "../one";

export type Binding = Schema<"Binding">;
export type WorkerSettings = Schema<"Settings">;

/** Makes a version with these bindings beside the ones that stay, and deploys it. */
export async function changeBindings(
  one: One,
  settings: WorkerSettings,
  change: { add?: Binding[]; remove?: string[] },
): Promise<void> {
  const gone = new Set([...(change.remove ?? []), ...(change.add ?? []).map(({ name }) => name)]);
  const stay = settings.bindings
    .filter(({ name }) => !gone.has(name))
    // Secrets are shown without their text, so what stays is inherited.
    .map(({ name }) => ({ name, type: "inherit" }));
  await changeSettings(one, { bindings: [...stay, ...(change.add ?? [])] });
}

export async function changeSettings(
  one: One,
  body: { bindings?: Binding[]; limits?: Schema<"Limits">; compatibility_date?: string; compatibility_flags?: string[] },
): Promise<void> {
  await result(
    api.PATCH("/client/v4/accounts/{account}/workers/scripts/{worker}/settings", { params: { path: one }, body }),
  );
  await changed(one);
}
