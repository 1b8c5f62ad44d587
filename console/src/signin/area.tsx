import { createRoute, lazyRouteComponent } from "@tanstack/react-router";

import { rootRoute } from "../app/root";

/** Only paths of this origin are come back to. */
function ownPath(value: unknown): string | undefined {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : undefined;
}

const signIn = createRoute({
  getParentRoute: () => rootRoute,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { return?: string; failed?: string } => {
    const back = ownPath(search.return);
    const failed = search.error ?? search.failed;
    return {
      ...(back === undefined ? {} : { return: back }),
      ...(typeof failed === "string" ? { failed } : {}),
    };
  },
  component: lazyRouteComponent(() => import("./SignIn"), "SignIn"),
});

const invitation = createRoute({
  getParentRoute: () => rootRoute,
  path: "/invitation/$secret",
  component: lazyRouteComponent(() => import("./Invitation"), "Invitation"),
});

export const signInRoutes = [signIn, invitation] as const;
