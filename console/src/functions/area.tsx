import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { SquareFunction } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";
import { tabSearch } from "../ui/tab";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/functions",
  component: lazyRouteComponent(() => import("./List"), "List"),
});

const create = createRoute({
  getParentRoute: () => accountRoute,
  path: "/functions/new",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./New"), "New"),
});

/** In Node.js, Python or Go, called with an event. */
const run = createRoute({
  getParentRoute: () => accountRoute,
  path: "/functions/run/$id",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./run/Detail"), "Detail"),
});

/** Called by a route, in the dialect of Nexo. */
const routed = createRoute({
  getParentRoute: () => accountRoute,
  path: "/functions/routed/$id",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./routed/Detail"), "Detail"),
});

/** With versions and aliases, in the dialect of `/api/deploy`. */
const versioned = createRoute({
  getParentRoute: () => accountRoute,
  path: "/functions/versioned/$name",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./versioned/Detail"), "Detail"),
});

export const functionsRoutes = [list, create, run, routed, versioned] as const;

export const nav: NavEntry[] = [{ group: "compute", to: "/a/$account/functions", label: "nav.functions", icon: SquareFunction, reads: "workers" }];
