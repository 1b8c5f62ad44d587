// Figures over time, loaded when a page first draws them.
import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";

import type { ChartProps } from "./Plot";

export type { ChartProps, Series } from "./Plot";

const Plot = lazy(() => import("./Plot").then(({ Plot }) => ({ default: Plot })));

export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<Skeleton height={props.height ?? 180} radius="sm" />}>
      <Plot {...props} />
    </Suspense>
  );
}
