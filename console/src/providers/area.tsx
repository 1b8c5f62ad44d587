import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";

import type { NavEntry } from "../app/area";
import { installationRoute } from "../app/root";

const list = createRoute({
  getParentRoute: () => installationRoute,
  path: "/sign-in",
  component: lazyRouteComponent(() => import("./Providers"), "Providers"),
});

export const providersRoutes = [list] as const;

export const nav: NavEntry[] = [
  { group: "installation", to: "/installation/sign-in", label: "nav.signin", icon: KeyRound, operator: true },
];
