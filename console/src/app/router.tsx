// The whole tree. Pages load when they are asked for, so that the first load stays small; keep the paths' first segments
// in step with `PAGES` in crates/console/src/lib.rs.
import { createRouter } from "@tanstack/react-router";

import { accessRoutes } from "../access/area";
import { accountsRoutes } from "../accounts/area";
import { auditRoutes, installationAuditRoutes } from "../audit/area";
import { d1Routes } from "../d1/area";
import { egressRoutes, installationEgressRoutes } from "../egress/area";
import { functionsRoutes } from "../functions/area";
import { kvRoutes } from "../kv/area";
import { meRoutes } from "../me/area";
import { membersRoutes } from "../members/area";
import { nodesRoutes } from "../nodes/area";
import { objectsRoutes } from "../objects/area";
import { overviewRoutes } from "../overview/area";
import { pagesRoutes } from "../pages/area";
import { providersRoutes } from "../providers/area";
import { queuesRoutes } from "../queues/area";
import { quotasRoutes } from "../quotas/area";
import { r2Routes } from "../r2/area";
import { signInRoutes } from "../signin/area";
import { ownTokensRoutes, tokensRoutes } from "../tokens/area";
import { usersRoutes } from "../users/area";
import { workersRoutes } from "../workers/area";
import { workflowsRoutes } from "../workflows/area";
import { accountRoute, homeRoute, installationRoute, meRoute, rootRoute, shellRoute } from "./root";

const tree = rootRoute.addChildren([
  ...signInRoutes,
  shellRoute.addChildren([
    homeRoute,
    accountRoute.addChildren([
      ...overviewRoutes,
      ...workersRoutes,
      ...functionsRoutes,
      ...pagesRoutes,
      ...workflowsRoutes,
      ...kvRoutes,
      ...r2Routes,
      ...d1Routes,
      ...objectsRoutes,
      ...queuesRoutes,
      ...membersRoutes,
      ...tokensRoutes,
      ...accessRoutes,
      ...quotasRoutes,
      ...auditRoutes,
      ...egressRoutes,
    ]),
    meRoute.addChildren([...meRoutes, ...ownTokensRoutes]),
    installationRoute.addChildren([...accountsRoutes, ...usersRoutes, ...providersRoutes, ...nodesRoutes, ...installationEgressRoutes, ...installationAuditRoutes]),
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
