// Who is signed in, and how one can sign in. These endpoints answer in JSON of their own.
import { useQuery } from "@tanstack/react-query";

import { all, api, json, setToken, type Schema } from "./client";
import { Fault } from "./error";
import { queries } from "./query";

export interface Methods {
  password: boolean;
  passkey: boolean;
  providers: { id: string; name: string }[];
  token: boolean;
  /** Whether one has to sign in at all. */
  required: boolean;
}

export interface Session {
  kind: "user" | "token" | "dev";
  user: { id: string; email: string; name: string | null; is_operator: boolean; two_factor: boolean } | null;
  memberships: { account: { id: string; name: string }; role: string }[];
  expires_on: string | null;
}

/** After a password was right: how to show the second factor. */
export interface Ticket {
  ticket: string;
  second_factors: ("totp" | "recovery" | "passkey")[];
}

const SESSION = ["session"] as const;

async function orElse<T>(
  what: (fault: Fault) => boolean,
  call: Promise<T>,
  otherwise: () => T | Promise<T>,
): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof Fault && what(error)) return otherwise();
    throw error;
  }
}

/** The server keeps no sessions: paths that it does not have are Cloudflare's API to it, which wants a token first. */
const absent = ({ status, code }: Fault) => status === 404 || status === 405 || (status === 401 && code === "10000");

const signedOut = ({ status, code }: Fault) => status === 401 && code !== "10000";

/** Who calls, as the API itself says it: for a token that is kept in memory. */
async function caller(): Promise<Session | null> {
  const { response } = await api.GET("/client/v4/user");
  if (!response.ok) return null;
  return { kind: "dev", user: null, memberships: [], expires_on: null };
}

export const sessionQuery = {
  queryKey: SESSION,
  queryFn: () =>
    orElse<Session | null>(absent, orElse<Session | null>(signedOut, json("GET", "/api/session"), () => null), caller),
  staleTime: 60_000,
};

/** Who is signed in; null: nobody, and that is needed. */
export function useSession() {
  return useQuery(sessionQuery);
}

export function useMethods() {
  return useQuery({
    queryKey: ["session", "methods"],
    queryFn: () =>
      orElse<Methods>(absent, json("GET", "/api/session/methods"), () => ({
        password: false,
        passkey: false,
        providers: [],
        token: true,
        required: true,
      })),
    staleTime: 60_000,
  });
}

/** Signs in with an e-mail address and a password: a session, or what else has to be shown. */
export async function signIn(email: string, password: string): Promise<Session | Ticket> {
  return json("POST", "/api/session", { email, password });
}

export async function signInSecond(ticket: string, factor: { totp: string } | { recovery: string }): Promise<Session> {
  return json("POST", "/api/session/second", { ticket, ...factor });
}

/** Signs in with an API token; where the server keeps no sessions, the page keeps the token while it is open. */
export async function signInWithToken(token: string): Promise<void> {
  await orElse<unknown>(absent, json("POST", "/api/session/token", { token }), async () => {
    setToken(token);
    if ((await caller()) === null) {
      setToken(undefined);
      throw new Fault(401, "");
    }
    return null;
  });
}

export async function signOut(): Promise<void> {
  setToken(undefined);
  await orElse<unknown>((fault) => absent(fault) || signedOut(fault), json("DELETE", "/api/session"), () => null);
  queries.clear();
}

/** The accounts that the caller sees, by name. */
export const accountsQuery = {
  queryKey: ["accounts"],
  queryFn: async (): Promise<Schema<"Account">[]> => {
    const accounts = await all((query) => api.GET("/client/v4/accounts", { params: { query } }));
    return accounts.sort((one, other) => one.name.localeCompare(other.name));
  },
  staleTime: 60_000,
};

export function useAccounts() {
  return useQuery(accountsQuery);
}
