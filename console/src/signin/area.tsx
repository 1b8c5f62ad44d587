import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { rootRoute } from "../app/root";

/** Only paths of this origin are come back to. */
function ownPath(value: unknown): string | undefined {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : undefined;
}

const signIn = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  // What is left out would be as the address has it: the router lays this over what it has read.
  validateSearch: (search: Record<string, unknown>): { return?: string | undefined; failed?: string | undefined } => {
    const failed = search.error ?? search.failed;
    return { return: ownPath(search.return), failed: typeof failed === "string" ? failed : undefined };
  },
  component: lazyRouteComponent(() => import("./SignIn"), "SignIn"),
});

const invitation = createRoute({
  getParentRoute: () => rootRoute,
  path: "/invitation/$secret",
  component: lazyRouteComponent(() => import("./Invitation"), "Invitation"),
});

export const signInRoutes = [signIn, invitation] as const;
