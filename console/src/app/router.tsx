// The whole tree. Pages load when they are asked for, so that the first load stays small; keep the paths' first segments
// in step with `PAGES` in crates/console/src/lib.rs.
import { createRouter } from "@tanstack/react-router";

import { overviewRoutes } from "../overview/area";
import { signInRoutes } from "../signin/area";
import { workersRoutes } from "../workers/area";
import { accountRoute, homeRoute, installationRoute, meRoute, rootRoute, shellRoute } from "./root";

const tree = rootRoute.addChildren([
  ...signInRoutes,
  shellRoute.addChildren([
    homeRoute,
    accountRoute.addChildren([...overviewRoutes, ...workersRoutes]),
    meRoute,
    installationRoute,
  ]),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
