// Who is signed in, and how one can sign in.
import { useQuery } from "@tanstack/react-query";

import { all, api, body, type Schema } from "./client";
import { Fault } from "./error";
import { queries } from "./query";

export type Session = Schema<"SigninSession">;

/** After a password was right: how to show the second factor. */
export type Ticket = Schema<"SigninTicket">;

export const sessionQuery = {
  queryKey: ["session"],
  queryFn: async (): Promise<Session | null> => {
    try {
      return await body(api.GET("/api/session"));
    } catch (error) {
      if (error instanceof Fault && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
};

/** Who is signed in; null: nobody, and that is needed. */
export function useSession() {
  return useQuery(sessionQuery);
}

/** Whether the caller answers for the installation. */
export function useOperator(): boolean {
  const { data } = useSession();
  return data?.operator === true;
}

export function useMethods() {
  return useQuery({
    queryKey: ["session", "methods"],
    queryFn: () => body(api.GET("/api/session/methods")),
    staleTime: 60_000,
  });
}

/** Signs in with an e-mail address and a password: a session, or what else has to be shown. */
export function signIn(email: string, password: string): Promise<Session | Ticket> {
  return body(api.POST("/api/session", { body: { email, password } }));
}

export function signInSecond(ticket: string, factor: { totp: string } | { recovery: string }): Promise<Session> {
  return body(api.POST("/api/session/second", { body: { ticket, ...factor } }));
}

export function signInWithToken(token: string): Promise<Session> {
  return body(api.POST("/api/session/token", { body: { token } }));
}

export async function signOut(): Promise<void> {
  await body(api.DELETE("/api/session"));
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
