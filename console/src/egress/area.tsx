import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Network } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute, installationRoute } from "../app/root";

const ofAccount = createRoute({
  getParentRoute: () => accountRoute,
  path: "/egress",
  component: lazyRouteComponent(() => import("./Account"), "AccountEgress"),
});

const ofInstallation = createRoute({
  getParentRoute: () => installationRoute,
  path: "/egress",
  component: lazyRouteComponent(() => import("./Installation"), "InstallationEgress"),
});

export const egressRoutes = [ofAccount] as const;
export const installationEgressRoutes = [ofInstallation] as const;

export const accountNav: NavEntry[] = [{ group: "account", to: "/a/$account/egress", label: "nav.egress", icon: Network, reads: "account_settings" }];
export const nav: NavEntry[] = [
  { group: "installation", to: "/installation/egress", label: "nav.egress", icon: Network, operator: true },
];
