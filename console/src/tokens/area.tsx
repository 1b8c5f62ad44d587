import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { KeySquare } from "lucide-react";

import type { NavEntry } from "../app/area";
import { accountRoute, meRoute } from "../app/root";

const ofAccount = createRoute({
  getParentRoute: () => accountRoute,
  path: "/tokens",
  component: lazyRouteComponent(() => import("./Tokens"), "AccountTokens"),
});

const own = createRoute({
  getParentRoute: () => meRoute,
  path: "/tokens",
  component: lazyRouteComponent(() => import("./Tokens"), "OwnTokens"),
});

export const tokensRoutes = [ofAccount] as const;
export const ownTokensRoutes = [own] as const;

export const nav: NavEntry[] = [
  { group: "account", to: "/a/$account/tokens", label: "nav.tokens", icon: KeySquare, reads: "account_tokens" },
  { group: "me", to: "/me/tokens", label: "me.tokens", icon: KeySquare },
];
