// The figures of a period in a row, and what they did over time.
import { Paper, SimpleGrid, Text } from "@mantine/core";
import type { ReactNode } from "react";

import { Chart } from "../ui/chart";
import { bytes, count, duration, percent, short } from "../ui/format";
import classes from "./Figures.module.css";
import type { Group, Series } from "./query";
import { useMetricsText } from "./strings";

/** A figure with its name, and what stands below it. */
export function Figure(props: { label: string; value: ReactNode; text?: ReactNode; tone?: "bad" | "warn" }) {
  return (
    <div className={classes.figure}>
      <Text c="dimmed" fz="xs">
        {props.label}
      </Text>
      <div className={classes.value} data-tone={props.tone}>
        {props.value}
      </div>
      {props.text !== undefined && (
        <Text c="dimmed" fz="xs">
          {props.text}
        </Text>
      )}
    </div>
  );
}

/** Figures side by side, as one. */
export function FigureRow(props: { children: ReactNode }) {
  return <Paper className={classes.row}>{props.children}</Paper>;
}

/** The sums and percentiles of a period. */
export function Totals(props: { whole: Group | undefined }) {
  const t = useMetricsText();
  const sum = props.whole?.sum;
  const quantiles = props.whole?.quantiles;
  const requests = sum?.requests ?? 0;
  const share = requests === 0 ? 0 : (sum?.errors ?? 0) / requests;
  return (
    <FigureRow>
      <Figure label={t("requests")} value={short(requests)} text={`${t("subrequests")} ${short(sum?.subrequests ?? 0)}`} />
      <Figure
        label={t("errorRate")}
        value={percent(share)}
        text={`${count(sum?.errors ?? 0)} · ${t("disconnects")} ${short(sum?.clientDisconnects ?? 0)}`}
        {...(share >= 0.05 ? { tone: "bad" as const } : {})}
      />
      <Figure
        label={`${t("latency")} ${t("p50")}`}
        value={duration((quantiles?.wallTimeP50 ?? 0) / 1000)}
        text={`p95 ${duration((quantiles?.wallTimeP95 ?? 0) / 1000)} · p99 ${duration((quantiles?.wallTimeP99 ?? 0) / 1000)}`}
      />
      <Figure
        label={t("coldStarts")}
        value={short(sum?.coldStarts ?? 0)}
        text={`${t("deaths")} ${count(sum?.processDeaths ?? 0)}`}
        {...((sum?.processDeaths ?? 0) > 0 ? { tone: "warn" as const } : {})}
      />
      <Figure
        label={t("cpu")}
        value={duration((sum?.cpuTimeUs ?? 0) / 1000)}
        text={`${t("cpu.perRequest")} ${duration((quantiles?.cpuTimeP50 ?? 0) / 1000)}`}
      />
      <Figure
        label={t("memory")}
        value={bytes(props.whole?.max.memoryBytes ?? 0)}
        text={`${t("sent")} ${bytes(sum?.responseBodySize ?? 0)}`}
      />
    </FigureRow>
  );
}

/** The same over time, moments side by side. */
export function Charts(props: { series: Series; name: string }) {
  const t = useMetricsText();
  const { times, groups } = props.series;
  const of = (value: (group: Group) => number) => groups.map((group) => (group === undefined ? 0 : value(group)));
  // Where nothing was asked, nothing took long.
  const known = (value: (group: Group) => number) =>
    groups.map((group) => (group === undefined || group.sum.requests === 0 ? null : value(group) / 1000));
  const charts = [
    {
      label: t("requests"),
      format: short,
      series: [
        { label: t("requests"), values: of(({ sum }) => sum.requests), filled: true },
        { label: t("serverErrors"), values: of(({ sum }) => sum.errors), colour: "bad" as const },
        { label: t("disconnects"), values: of(({ sum }) => sum.clientDisconnects), colour: 4 as const },
      ],
    },
    {
      label: t("latency"),
      format: duration,
      series: [
        { label: t("p50"), values: known(({ quantiles }) => quantiles.wallTimeP50) },
        { label: t("p95"), values: known(({ quantiles }) => quantiles.wallTimeP95) },
        { label: t("p99"), values: known(({ quantiles }) => quantiles.wallTimeP99), colour: 4 as const },
      ],
    },
    {
      label: t("cpu"),
      format: duration,
      series: [{ label: t("cpu"), values: of(({ sum }) => sum.cpuTimeUs / 1000), filled: true, colour: 3 as const }],
    },
    {
      label: t("memory"),
      format: bytes,
      series: [{ label: t("memory"), values: of(({ max }) => max.memoryBytes), filled: true, colour: 3 as const }],
    },
    {
      label: t("coldStarts"),
      format: short,
      series: [
        { label: t("coldStarts"), values: of(({ sum }) => sum.coldStarts), colour: 2 as const, filled: true },
        { label: t("deaths"), values: of(({ sum }) => sum.processDeaths), colour: "bad" as const },
      ],
    },
    {
      label: t("sent"),
      format: bytes,
      series: [{ label: t("sent"), values: of(({ sum }) => sum.responseBodySize), filled: true }],
    },
  ];
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
      {charts.map((chart) => (
        <Paper key={chart.label} p="md">
          <Text fw={600} fz="sm" mb={4}>
            {chart.label}
          </Text>
          <Chart {...chart} times={times} together={props.name} height={160} />
        </Paper>
      ))}
    </SimpleGrid>
  );
}
