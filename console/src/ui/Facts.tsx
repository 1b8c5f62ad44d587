// Names with their values, side by side where there is room.
import type { ReactNode } from "react";

import classes from "./Facts.module.css";

export type Fact = readonly [name: string, value: ReactNode];

export function Facts(props: { facts: readonly Fact[] }) {
  return (
    <dl className={classes.facts}>
      {props.facts.map(([name, value]) => (
        <div key={name} className={classes.fact}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
