// What surrounds every page: navigation, the account, search, and whose page it is.
import { AppShell, Burger, Group, UnstyledButton } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import { Link, Outlet, useNavigate, useRouter, useRouterState } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { lazy, Suspense, useEffect } from "react";

import { useSession } from "../api/session";
import { AccountSwitcher } from "./AccountSwitcher";
import { Logo } from "./Logo";
import { Me } from "./Me";
import { Navigation } from "./Navigation";
import classes from "./Shell.module.css";
import { useShellText } from "./strings";

const Palette = lazy(() => import("./Palette").then(({ Palette }) => ({ default: Palette })));

export function Shell() {
  const t = useShellText();
  const [open, { toggle, close }] = useDisclosure();
  const [searching, search] = useDisclosure();
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(close, [path, close]);
  const { data: session } = useSession();
  const navigate = useNavigate();
  const router = useRouter();
  useEffect(() => {
    // A session that has ended while the page was open; the path is where one comes back to. This shell is still there while
    // the page for signing in is on its way: that one's own path is none.
    const { href, pathname } = router.latestLocation;
    if (session === null && pathname !== "/sign-in") void navigate({ to: "/sign-in", search: { return: href } });
  }, [session, navigate, router]);
  useHotkeys([["mod+K", search.open]], []);

  const find = (
    <UnstyledButton className={classes.search} onClick={search.open}>
      <Search size={14} />
      <span>{t("palette.open")}</span>
      <kbd>{navigator.platform.startsWith("Mac") ? "⌘K" : "Ctrl K"}</kbd>
    </UnstyledButton>
  );
  return (
    <AppShell
      layout="alt"
      header={{ height: { base: 52, sm: 0 } }}
      navbar={{ width: 236, breakpoint: "sm", collapsed: { mobile: !open } }}
      padding={0}
    >
      <a href="#content" className={classes.skip}>
        {t("nav.skip")}
      </a>
      <AppShell.Header hiddenFrom="sm" className={classes.header}>
        <Group h="100%" px="sm" justify="space-between" wrap="nowrap">
          <Burger
            opened={open}
            onClick={toggle}
            size="sm"
            aria-label={open ? t("nav.close") : t("nav.open")}
            aria-expanded={open}
          />
          <Link to="/" className="plain">
            <Logo />
          </Link>
          {find}
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.side}>
        <Group className={classes.brand} justify="space-between" wrap="nowrap">
          <Link to="/" className="plain">
            <Logo />
          </Link>
          <Burger hiddenFrom="sm" opened onClick={close} size="sm" aria-label={t("nav.close")} />
        </Group>
        <div className={classes.top}>
          <AccountSwitcher />
          <div className={classes.wideSearch}>{find}</div>
        </div>
        <Navigation />
        <Me />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} className={classes.main}>
        <Outlet />
      </AppShell.Main>
      {searching && (
        <Suspense>
          <Palette onClose={search.close} />
        </Suspense>
      )}
    </AppShell>
  );
}
