import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { ShieldCheck } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const access = createRoute({
  getParentRoute: () => accountRoute,
  path: "/access",
  component: lazyRouteComponent(() => import("./Access"), "Access"),
});

export const accessRoutes = [access] as const;

export const nav: NavEntry[] = [{ group: "account", to: "/a/$account/access", label: "nav.access", icon: ShieldCheck, reads: "access" }];
