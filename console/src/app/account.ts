import { useParams } from "@tanstack/react-router";

import { useAccounts } from "../api/session";

const KEPT = "hearth.account";

export function lastAccount(): string | undefined {
  return localStorage.getItem(KEPT) ?? undefined;
}

export function keepAccount(id: string): void {
  localStorage.setItem(KEPT, id);
}

/** The account that the page is about: the path's; elsewhere the one before, or the first. */
export function useAccount(): string {
  const { account } = useParams({ strict: false });
  const { data: accounts } = useAccounts();
  if (account !== undefined) return account;
  const last = lastAccount();
  return (accounts?.find(({ id }) => id === last) ?? accounts?.[0])?.id ?? "";
}
