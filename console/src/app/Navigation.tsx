import { ScrollArea } from "@mantine/core";
import { Link } from "@tanstack/react-router";

import { useOperator } from "../api/session";
import { useAccount } from "./account";
import type { Group, NavEntry } from "./area";
import { NAV } from "./areas";
import classes from "./Navigation.module.css";
import { useRights } from "./rights";
import { useShellText } from "./strings";

const GROUPS = ["top", "compute", "storage", "account", "installation"] as const satisfies Group[];

/** The lines of the navigation that the caller has a use for. */
export function useNav() {
  const operator = useOperator();
  const account = useAccount();
  const may = useRights();
  const reached = ({ to, reads }: NavEntry) =>
    (account !== "" || !to.includes("$account")) && (reads === undefined || may(reads, "read"));
  return NAV.filter((entry) => reached(entry) && (entry.operator !== true || operator));
}

export function Navigation() {
  const t = useShellText();
  const account = useAccount();
  const nav = useNav();
  return (
    <ScrollArea className={classes.nav} type="auto" scrollbarSize={6}>
      <nav aria-label={t("nav.label")}>
        {GROUPS.map((group) => {
          const entries = nav.filter((entry) => entry.group === group);
          if (entries.length === 0) return null;
          return (
            <div key={group} className={classes.group}>
              {group !== "top" && <div className={classes.title}>{t(`group.${group}`)}</div>}
              {entries.map(({ to, label, icon: Icon }) => (
                <Link
                  key={to}
                  to={to}
                  params={{ account }}
                  className={classes.link}
                  activeOptions={{ exact: to === "/a/$account" }}
                  activeProps={{ "aria-current": "page" }}
                >
                  <Icon size={16} strokeWidth={1.7} aria-hidden />
                  {t(label)}
                </Link>
              ))}
            </div>
          );
        })}
      </nav>
    </ScrollArea>
  );
}
