import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Database } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";
import { tabSearch } from "../ui/tab";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/d1",
  component: lazyRouteComponent(() => import("./Databases"), "Databases"),
});

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/d1/$database",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./Detail"), "Detail"),
});

export const d1Routes = [list, one] as const;

export const nav: NavEntry[] = [{ group: "storage", to: "/a/$account/d1", label: "nav.d1", icon: Database, reads: "d1" }];
