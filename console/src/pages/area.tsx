import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { PanelsTopLeft } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";
import { tabSearch } from "../ui/tab";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/pages",
  component: lazyRouteComponent(() => import("./List"), "List"),
});

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/pages/$project",
  validateSearch: tabSearch,
  component: lazyRouteComponent(() => import("./Project"), "Project"),
});

export const pagesRoutes = [list, one] as const;

export const nav: NavEntry[] = [{ group: "compute", to: "/a/$account/pages", label: "nav.pages", icon: PanelsTopLeft, reads: "pages" }];
