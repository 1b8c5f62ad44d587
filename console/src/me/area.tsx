import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";

import type { NavEntry } from "../app/area";
import { meRoute } from "../app/root";

const signIn = createRoute({
  getParentRoute: () => meRoute,
  path: "/",
  component: lazyRouteComponent(() => import("./SignIn"), "OwnSignIn"),
});

export const meRoutes = [signIn] as const;

export const nav: NavEntry[] = [{ group: "me", to: "/me", label: "me.settings", icon: KeyRound }];
