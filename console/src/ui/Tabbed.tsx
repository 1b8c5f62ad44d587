// The parts of a page, one at a time; which one is in its address.
import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";

import { useTab } from "./tab";

export interface Part<T extends string> {
  id: T;
  label: string;
  /** Drawn when it is looked at. */
  show: () => ReactNode;
}

export function Tabbed<T extends string>(props: { parts: readonly [Part<T>, ...Part<T>[]] }) {
  const { parts } = props;
  const [tab, setTab] = useTab(parts.map(({ id }) => id) as [T, ...T[]]);
  return (
    <Tabs value={tab} onChange={setTab}>
      <Tabs.List mb="md">
        {parts.map(({ id, label }) => (
          <Tabs.Tab key={id} value={id}>
            {label}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {parts.map(({ id, show }) => (
        <Tabs.Panel key={id} value={id}>
          {id === tab && show()}
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
