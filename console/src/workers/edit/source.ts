// A worker's modules as the editor has them. TypeScript is stripped of its types in the browser; its source goes along as
// a text module beside what runs, so that the next one who edits finds it.
import { api, raw, result } from "../../api/client";
import { changed, oneKey, type One } from "../one";

export interface Module {
  name: string;
  /** Its media type: what kind of module it is. */
  type: string;
  /** None: no text. */
  text: string | undefined;
  blob: Blob;
}

export interface Source {
  main: string;
  modules: Module[];
}

const SCRIPT = "application/javascript+module";
const TEXTS = [SCRIPT, "application/javascript", "text/javascript", "text/plain", "application/json", "text/x-python"];

/** `index.ts` of `index.js`. */
export const typed = (name: string) => name.replace(/\.m?js$/, ".ts");
const stripped = (name: string) => name.replace(/\.ts$/, ".js");

export const sourceQuery = (one: One) => ({
  queryKey: oneKey(one, "source"),
  // What is being edited is not replaced under one's hands.
  staleTime: Infinity,
  queryFn: async (): Promise<Source> => {
    const path = `/client/v4/accounts/${one.account}/workers/scripts/${encodeURIComponent(one.worker)}/content/v2`;
    const response = await raw("GET", path);
    const form = await response.formData();
    const modules: Module[] = [];
    for (const [name, value] of form.entries()) {
      const blob = typeof value === "string" ? new Blob([value], { type: SCRIPT }) : value;
      const type = blob.type.split(";")[0] ?? SCRIPT;
      modules.push({ name, type, blob, text: TEXTS.includes(type) ? await blob.text() : undefined });
    }
    const main = response.headers.get("cf-entrypoint") ?? modules[0]?.name ?? "index.js";
    return withTypes({ main, modules });
  },
});

/** Where the source in TypeScript is beside what runs, that is what is edited. */
function withTypes(source: Source): Source {
  const kept = source.modules.find(({ name }) => name === typed(source.main) && name !== source.main);
  if (kept === undefined) return source;
  return { main: kept.name, modules: source.modules.filter(({ name }) => name !== source.main) };
}

/** What is wrong with the code, for who wrote it. */
export class SyntaxFault extends Error {}

/** What is sent: for each module its name, its kind and its bytes. */
export async function built(source: Source): Promise<{ main: string; parts: File[] }> {
  const parts: File[] = [];
  let { main } = source;
  for (const { name, type, text, blob } of source.modules) {
    if (name.endsWith(".ts") && text !== undefined) {
      parts.push(new File([text], name, { type: "text/plain" }));
      const code = await strip(text, name);
      parts.push(new File([code], stripped(name), { type: SCRIPT }));
      if (name === main) main = stripped(name);
    } else {
      parts.push(new File([text ?? blob], name, { type }));
    }
  }
  return { main, parts };
}

async function strip(text: string, name: string): Promise<string> {
  const { transform } = await import("sucrase");
  try {
    return transform(text, { transforms: ["typescript"], disableESTransforms: true, filePath: name }).code;
  } catch (error) {
    throw new SyntaxFault(error instanceof Error ? error.message : String(error));
  }
}

function formOf(main: string, parts: File[], metadata: object): FormData {
  const form = new FormData();
  form.set("metadata", JSON.stringify({ main_module: main, ...metadata }));
  for (const part of parts) form.set(part.name, part);
  return form;
}

/** Deploys other code; bindings and settings stay. */
export async function deployCode(one: One, source: Source): Promise<void> {
  const { main, parts } = await built(source);
  const path = `/client/v4/accounts/${one.account}/workers/scripts/${encodeURIComponent(one.worker)}/content`;
  await raw("PUT", path, { body: formOf(main, parts, {}) });
  await changed(one);
}

/** Makes a worker, served at its own host. */
export async function deployNew(one: One, source: Source, metadata: object): Promise<void> {
  const { main, parts } = await built(source);
  const path = `/client/v4/accounts/${one.account}/workers/scripts/${encodeURIComponent(one.worker)}`;
  await raw("PUT", path, { body: formOf(main, parts, metadata) });
  await result(
    api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/subdomain", {
      params: { path: one },
      body: { enabled: true },
    }),
  );
  await changed(one);
}
