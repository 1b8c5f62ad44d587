// What surrounds the page of a function of any kind: its name, its tabs, and how it ends.
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { useMay } from "../app/rights";
import { Commands } from "../ui/Commands";
import { EndButton } from "../ui/EndButton";
import { useEnding } from "../ui/ListPage";
import { Page } from "../ui/Page";
import { Loaded } from "../ui/states";
import { Tabbed, type Part } from "../ui/Tabbed";
import { stale } from "./api";
import { useFunctionsText } from "./strings";

interface About<T> {
  queryKey: readonly unknown[];
  queryFn: () => Promise<T>;
}

export function FunctionPage<T, Tab extends string>(props: {
  account: string;
  about: About<T>;
  nameOf: (known: T) => string;
  /** Its name before it is known. */
  name?: string;
  badge?: (known: T) => ReactNode;
  /** What is under its name. */
  text?: (known: T) => ReactNode;
  parts: (known: T) => readonly [Part<Tab>, ...Part<Tab>[]];
  end: () => Promise<unknown>;
  commands: (known: T | undefined) => string[];
}) {
  const t = useFunctionsText();
  const navigate = useNavigate();
  const ending = useEnding(t);
  const may = useMay("workers");
  const { account } = props;
  const about = useQuery(props.about);
  const known = about.data;

  const remove = (name: string) =>
    ending(name, async () => {
      await props.end();
      await navigate({ to: "/a/$account/functions", params: { account } });
      await stale(account);
    });

  return (
    <Page
      wide
      title={known === undefined ? (props.name ?? t("title")) : props.nameOf(known)}
      crumbs={[{ label: t("title"), to: `/a/${account}/functions` }]}
      badge={known !== undefined && props.badge?.(known)}
      {...(known === undefined || props.text === undefined ? {} : { text: props.text(known) })}
      actions={known !== undefined && may && <EndButton label={t("delete")} onClick={() => void remove(props.nameOf(known))} />}
    >
      <Loaded query={about}>{(data) => <Tabbed parts={props.parts(data)} />}</Loaded>
      <Commands lines={props.commands(known)} />
    </Page>
  );
}
