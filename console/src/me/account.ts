// One's own credentials.
import { useQuery } from "@tanstack/react-query";

import { api, body } from "../api/client";
import { queries } from "../api/query";
import { sessionQuery } from "../api/session";

const OWN = ["me", "sign-in"] as const;
const SESSIONS = ["me", "sessions"] as const;

export function useOwnSignIn() {
  return useQuery({ queryKey: OWN, queryFn: () => body(api.GET("/api/account")) });
}

export function useSessions() {
  return useQuery({ queryKey: SESSIONS, queryFn: async () => (await body(api.GET("/api/sessions"))).sessions });
}

/** Something of one's own sign-in is other than it was. */
export async function changed(): Promise<void> {
  await Promise.all([
    queries.invalidateQueries({ queryKey: ["me"] }),
    queries.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  ]);
}
