import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Workflow } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/workflows",
  component: lazyRouteComponent(() => import("./List"), "List"),
});

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/workflows/$workflow",
  component: lazyRouteComponent(() => import("./Instances"), "Instances"),
});

const instance = createRoute({
  getParentRoute: () => accountRoute,
  path: "/workflows/$workflow/$instance",
  component: lazyRouteComponent(() => import("./Instance"), "Instance"),
});

export const workflowsRoutes = [list, one, instance] as const;

export const nav: NavEntry[] = [{ group: "compute", to: "/a/$account/workflows", label: "nav.workflows", icon: Workflow, reads: "workers" }];
