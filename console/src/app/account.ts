import { useParams } from "@tanstack/react-router";

const KEPT = "hearth.account";

export function lastAccount(): string | undefined {
  return localStorage.getItem(KEPT) ?? undefined;
}

export function keepAccount(id: string): void {
  localStorage.setItem(KEPT, id);
}

/** The account that the page is about: the path's. */
export function useAccount(): string {
  const { account } = useParams({ strict: false });
  return account ?? lastAccount() ?? "";
}
