// The one way to the server: its documented API, typed by the OpenAPI document.
import createClient from "openapi-fetch";

import { Fault, faultOf } from "./error";
import type { components, paths } from "./schema";

/** A shape of the API, by its name in the document. */
export type Schema<N extends keyof components["schemas"]> = components["schemas"][N];

let onSignedOut: () => void = () => {};

/** What happens when the server no longer knows who calls. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

async function call(request: Request): Promise<Response> {
  // It says that the call is this page's own; the session's cookie says who calls.
  request.headers.set("x-hearth-csrf", "1");
  try {
    const response = await fetch(request);
    if (response.status === 401) onSignedOut();
    return response;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Fault(0, "");
  }
}

/** Every operation of the document, by its path. Use with `result`, `body` or `all`, which throw a `Fault`. */
export const api = createClient<paths>({ baseUrl: window.location.origin, fetch: call });

const acting = new Map<string, typeof api>();

/** The same for one account, where paths name none: the APIs of functions and templates. */
export function apiOf(account: string): typeof api {
  let of = acting.get(account);
  if (of === undefined) {
    of = createClient<paths>({ baseUrl: window.location.origin, fetch: call, headers: { "hearth-account": account } });
    acting.set(account, of);
  }
  return of;
}

interface Outcome<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a call that went well. */
export async function body<T>(outcome: Promise<Outcome<T>>): Promise<T> {
  const { data, error, response } = await outcome;
  if (!response.ok) throw faultOf(response, error);
  return data as T;
}

/** The result in Cloudflare's envelope of a call that went well. */
export async function result<T>(outcome: Promise<Outcome<{ result: T }>>): Promise<T> {
  return (await body(outcome)).result;
}

interface Page<T> {
  result: T[];
  result_info: { total_count: number };
}

/** All entries of a list that comes in pages. */
export async function all<T>(
  page: (query: { page: number; per_page: number }) => Promise<Outcome<Page<T>>>,
): Promise<T[]> {
  const items: T[] = [];
  for (let number = 1; ; number += 1) {
    const got = await body(page({ page: number, per_page: 1000 }));
    items.push(...got.result);
    if (got.result.length === 0 || items.length >= got.result_info.total_count) return items;
  }
}

/** A call that is not JSON both ways (contents, forms), or that the document does not have yet. */
export async function raw(method: string, path: string, init: RequestInit = {}): Promise<Response> {
  const response = await call(new Request(new URL(path, window.location.origin), { ...init, method }));
  if (response.ok) return response;
  const text = await response.text();
  let said: unknown = text;
  try {
    said = JSON.parse(text);
  } catch {
    // Text is what it says.
  }
  throw faultOf(response, said);
}

/** The same with a JSON body, answered by JSON or nothing. */
export async function json<T>(method: string, path: string, sent?: unknown): Promise<T> {
  const init = sent === undefined ? {} : { body: JSON.stringify(sent), headers: { "content-type": "application/json" } };
  const response = await raw(method, path, init);
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}
