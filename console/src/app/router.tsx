// The whole tree. Pages load when they are asked for, so that the first load stays small; keep the paths' first segments
// in step with `PAGES` in crates/console/src/lib.rs.
import { createRouter } from "@tanstack/react-router";

import { auditRoutes, installationAuditRoutes } from "../audit/area";
import { egressRoutes, installationEgressRoutes } from "../egress/area";
import { meRoutes } from "../me/area";
import { nodesRoutes } from "../nodes/area";
import { overviewRoutes } from "../overview/area";
import { providersRoutes } from "../providers/area";
import { quotasRoutes } from "../quotas/area";
import { signInRoutes } from "../signin/area";
import { usersRoutes } from "../users/area";
import { workersRoutes } from "../workers/area";
import { accountRoute, homeRoute, installationRoute, meRoute, rootRoute, shellRoute } from "./root";

const tree = rootRoute.addChildren([
  ...signInRoutes,
  shellRoute.addChildren([
    homeRoute,
    accountRoute.addChildren([...overviewRoutes, ...workersRoutes, ...quotasRoutes, ...auditRoutes, ...egressRoutes]),
    meRoute.addChildren([...meRoutes]),
    installationRoute.addChildren([...usersRoutes, ...providersRoutes, ...nodesRoutes, ...installationEgressRoutes, ...installationAuditRoutes]),
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
