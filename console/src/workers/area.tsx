import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Zap } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/workers",
  component: lazyRouteComponent(() => import("./List"), "List"),
});

export const workersRoutes = [list] as const;

export const nav: NavEntry[] = [{ group: "compute", to: "/a/$account/workers", label: "nav.workers", icon: Zap }];
