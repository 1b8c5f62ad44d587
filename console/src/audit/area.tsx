import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute, installationRoute } from "../app/root";

const ofAccount = createRoute({
  getParentRoute: () => accountRoute,
  path: "/audit",
  component: lazyRouteComponent(() => import("./Log"), "AccountLog"),
});

const ofInstallation = createRoute({
  getParentRoute: () => installationRoute,
  path: "/audit",
  component: lazyRouteComponent(() => import("./Log"), "InstallationLog"),
});

export const auditRoutes = [ofAccount] as const;
export const installationAuditRoutes = [ofInstallation] as const;

export const accountNav: NavEntry[] = [
  { group: "account", to: "/a/$account/audit", label: "nav.audit", icon: ScrollText, reads: "audit_logs" },
];
export const nav: NavEntry[] = [
  { group: "installation", to: "/installation/audit", label: "nav.audit", icon: ScrollText, operator: true },
];
