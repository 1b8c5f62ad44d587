import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { UserRound } from "lucide-react";

import type { NavEntry } from "../app/area";
import { installationRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => installationRoute,
  path: "/users",
  component: lazyRouteComponent(() => import("./Users"), "Users"),
});

export const usersRoutes = [list] as const;

export const nav: NavEntry[] = [
  { group: "installation", to: "/installation/users", label: "nav.users", icon: UserRound, operator: true },
];
