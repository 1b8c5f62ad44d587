import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/kv",
  component: lazyRouteComponent(() => import("./Namespaces"), "Namespaces"),
});

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/kv/$namespace",
  component: lazyRouteComponent(() => import("./Keys"), "Keys"),
});

export const kvRoutes = [list, one] as const;

export const nav: NavEntry[] = [{ group: "storage", to: "/a/$account/kv", label: "nav.kv", icon: KeyRound, reads: "kv" }];
