import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Gauge } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const overview = createRoute({
  getParentRoute: () => accountRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./Overview"), "Overview"),
});

export const overviewRoutes = [overview] as const;

export const nav: NavEntry[] = [{ group: "top", to: "/a/$account", label: "nav.overview", icon: Gauge }];
