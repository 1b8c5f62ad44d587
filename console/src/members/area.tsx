import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { Users } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => accountRoute,
  path: "/members",
  component: lazyRouteComponent(() => import("./Members"), "Members"),
});

export const membersRoutes = [list] as const;

export const nav: NavEntry[] = [{ group: "account", to: "/a/$account/members", label: "nav.members", icon: Users, reads: "members" }];
