import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { ListOrdered } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";
import { tabSearch } from "../ui/tab";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/queues",
  component: lazyRouteComponent(() => import("./List"), "List"),
});

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/queues/$queue",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./Detail"), "Detail"),
});

export const queuesRoutes = [list, one] as const;

export const nav: NavEntry[] = [{ group: "storage", to: "/a/$account/queues", label: "nav.queues", icon: ListOrdered, reads: "queues" }];
