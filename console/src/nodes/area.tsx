import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Server } from "lucide-react";

import type { NavEntry } from "../app/area";
import { installationRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => installationRoute,
  path: "/nodes",
  component: lazyRouteComponent(() => import("./Nodes"), "Nodes"),
});

export const nodesRoutes = [list] as const;

export const nav: NavEntry[] = [
  { group: "installation", to: "/installation/nodes", label: "nav.nodes", icon: Server, operator: true },
];
