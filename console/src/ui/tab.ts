// The tab of a page, kept in its address.
import { useNavigate, useSearch } from "@tanstack/react-router";

/** For `validateSearch` of routes whose page has tabs. */
export function tabSearch(search: Record<string, unknown>): { tab?: string } {
  return typeof search.tab === "string" ? { tab: search.tab } : {};
}

export function useTab<T extends string>(tabs: readonly [T, ...T[]]): [T, (to: string | null) => void] {
  const { tab } = useSearch({ strict: false }) as { tab?: string };
  const navigate = useNavigate();
  const current = tabs.find((one) => one === tab) ?? tabs[0];
  const to = (next: string | null) => {
    const search = next === null || next === tabs[0] ? {} : { tab: next };
    void navigate({ to: ".", search: search as never, replace: true, resetScroll: false });
  };
  return [current, to];
}
