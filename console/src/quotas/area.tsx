import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Gauge } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const quotas = createRoute({
  getParentRoute: () => accountRoute,
  path: "/quotas",
  component: lazyRouteComponent(() => import("./Quotas"), "Quotas"),
});

export const quotasRoutes = [quotas] as const;

export const nav: NavEntry[] = [{ group: "account", to: "/a/$account/quotas", label: "nav.quotas", icon: Gauge, reads: "account_settings" }];
