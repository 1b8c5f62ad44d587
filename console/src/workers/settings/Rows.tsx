import { Paper } from "@mantine/core";
import type { ReactNode } from "react";

import classes from "./Rows.module.css";

/** Names with what they stand for, and what can be done with each. */
export function Rows(props: { rows: { name: string; value: ReactNode; actions?: ReactNode }[] }) {
  return (
    <Paper component="dl" className={classes.rows}>
      {props.rows.map(({ name, value, actions }) => (
        <div key={name} className={classes.row}>
          <dt className="mono cut" title={name}>
            {name}
          </dt>
          <dd className={classes.value}>{value}</dd>
          {actions !== undefined && actions !== false && <dd className={classes.actions}>{actions}</dd>}
        </div>
      ))}
    </Paper>
  );
}
