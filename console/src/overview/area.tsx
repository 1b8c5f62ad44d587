import { createRoute, redirect } from "@tanstack/react-router";

import type { NavEntry } from "../app/area";
import { accountRoute } from "../app/root";

const index = createRoute({
  getParentRoute: () => accountRoute,
  path: "/",
  beforeLoad: ({ params }) => {
    throw redirect({ to: "/a/$account/workers", params, replace: true });
  },
});

export const overviewRoutes = [index] as const;

export const nav: NavEntry[] = [];
