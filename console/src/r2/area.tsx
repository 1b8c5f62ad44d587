import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Cylinder } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/r2",
  component: lazyRouteComponent(() => import("./Buckets"), "Buckets"),
});

/** The folder that is looked at: what keys in it begin with. */
function folderSearch(search: Record<string, unknown>): { in?: string } {
  return typeof search.in === "string" && search.in !== "" ? { in: search.in } : {};
}

const one = createRoute({
  getParentRoute: () => accountRoute,
  path: "/r2/$bucket",
  validateSearch: folderSearch,
  component: lazyRouteComponent(() => import("./Objects"), "Objects"),
});

const settings = createRoute({
  getParentRoute: () => accountRoute,
  path: "/r2/$bucket/settings",
  component: lazyRouteComponent(() => import("./settings/Settings"), "Settings"),
});

export const r2Routes = [list, one, settings] as const;

export const nav: NavEntry[] = [{ group: "storage", to: "/a/$account/r2", label: "nav.r2", icon: Cylinder, reads: "r2_storage" }];
