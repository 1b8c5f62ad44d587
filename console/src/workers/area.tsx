import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Zap } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/workers",
  component: lazyRouteComponent(() => import("./List"), "List"),
});

// Not below `/workers`, where every name may be a worker's.
const begin = createRoute({
  getParentRoute: () => accountRoute,
  path: "/new-worker",
  component: lazyRouteComponent(() => import("./New"), "New"),
});

const worker = createRoute({
  getParentRoute: () => accountRoute,
  path: "/workers/$worker",
  component: lazyRouteComponent(() => import("./Worker"), "Worker"),
});

const metrics = createRoute({
  getParentRoute: () => worker,
  path: "/",
  component: lazyRouteComponent(() => import("./Metrics"), "Metrics"),
});

const deployments = createRoute({
  getParentRoute: () => worker,
  path: "/deployments",
  component: lazyRouteComponent(() => import("./deployments/Deployments"), "Deployments"),
});

const assets = createRoute({
  getParentRoute: () => worker,
  path: "/assets",
  component: lazyRouteComponent(() => import("./assets/Assets"), "Assets"),
});

const logs = createRoute({
  getParentRoute: () => worker,
  path: "/logs",
  component: lazyRouteComponent(() => import("./logs/Logs"), "Logs"),
});

const variables = createRoute({
  getParentRoute: () => worker,
  path: "/settings",
  component: lazyRouteComponent(() => import("./settings/Settings"), "Settings"),
});

const triggers = createRoute({
  getParentRoute: () => worker,
  path: "/triggers",
  component: lazyRouteComponent(() => import("./triggers/Triggers"), "Triggers"),
});

const access = createRoute({
  getParentRoute: () => worker,
  path: "/access",
  component: lazyRouteComponent(() => import("./access/Access"), "Access"),
});

const edit = createRoute({
  getParentRoute: () => worker,
  path: "/edit",
  component: lazyRouteComponent(() => import("./edit/Edit"), "Edit"),
});

export const workersRoutes = [
  list,
  begin,
  worker.addChildren([metrics, deployments, assets, logs, variables, triggers, access, edit]),
] as const;

export const nav: NavEntry[] = [{ group: "compute", to: "/a/$account/workers", label: "nav.workers", icon: Zap, reads: "workers" }];
