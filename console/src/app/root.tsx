// The routes that all areas hang below. An area's own are in its `area.tsx`.
import { createRootRoute, createRoute, lazyRouteComponent, Outlet, redirect } from "@tanstack/react-router";

import { queries } from "../api/query";
import { accountsQuery, sessionQuery } from "../api/session";
import { lastAccount } from "./account";
import { Broken, Missing } from "./problems";
import { membershipsQuery } from "./rights";

export const rootRoute = createRootRoute({
  component: Outlet,
  errorComponent: Broken,
  notFoundComponent: Missing,
});

/** Who comes here without being signed in is asked to, and comes back. */
export const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: "shell",
  beforeLoad: async ({ location }) => {
    const session = await queries.ensureQueryData(sessionQuery);
    if (session === null) throw redirect({ to: "/sign-in", search: { return: location.href } });
    // So that what a page offers is known when it is drawn.
    if (!session.operator) await queries.prefetchQuery(membershipsQuery);
  },
  component: lazyRouteComponent(() => import("./Shell"), "Shell"),
  errorComponent: Broken,
});

export const homeRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/",
  beforeLoad: async () => {
    const accounts = await queries.ensureQueryData(accountsQuery);
    const last = lastAccount();
    const account = accounts.find(({ id }) => id === last) ?? accounts[0];
    if (account !== undefined) throw redirect({ to: "/a/$account", params: { account: account.id }, replace: true });
  },
  component: lazyRouteComponent(() => import("./NoAccount"), "NoAccount"),
});

/** Below it is whatever belongs to one account. */
export const accountRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/a/$account",
  component: Outlet,
  errorComponent: Broken,
  notFoundComponent: Missing,
});

/** Below it is what belongs to the one who is signed in. */
export const meRoute = createRoute({ getParentRoute: () => shellRoute, path: "/me", component: Outlet });

/** Below it is what belongs to the whole installation. */
export const installationRoute = createRoute({
  getParentRoute: () => shellRoute,
  path: "/installation",
  component: Outlet,
});
