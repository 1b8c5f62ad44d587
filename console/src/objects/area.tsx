import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Boxes } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/objects",
  component: lazyRouteComponent(() => import("./Namespaces"), "Namespaces"),
});

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/objects/$namespace",
  component: lazyRouteComponent(() => import("./Objects"), "Objects"),
});

export const objectsRoutes = [list, one] as const;

export const nav: NavEntry[] = [{ group: "storage", to: "/a/$account/objects", label: "nav.objects", icon: Boxes, reads: "workers" }];
