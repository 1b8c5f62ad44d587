import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Building2 } from "lucide-react";

import type { NavEntry } from "../app/area";
import { installationRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => installationRoute,
  path: "/accounts",
  component: lazyRouteComponent(() => import("./Accounts"), "Accounts"),
});

export const accountsRoutes = [list] as const;

export const nav: NavEntry[] = [
  { group: "installation", to: "/installation/accounts", label: "nav.accounts", icon: Building2, operator: true },
];
