import "uplot/dist/uPlot.min.css";

import { useComputedColorScheme } from "@mantine/core";
import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useEffect, useMemo, useRef, useState } from "react";
import uPlot from "uplot";

import { useLanguage } from "../../i18n";
import { minute } from "../format";
import classes from "./Plot.module.css";

export interface Series {
  label: string;
  /** One per time; null: nothing is known. */
  values: (number | null)[];
  /** A colour of the theme: 1 to 4, or `bad`. */
  colour?: 1 | 2 | 3 | 4 | "bad";
  /** Filled down to the axis. */
  filled?: boolean;
}

export interface ChartProps {
  /** What is drawn, for who does not see it. */
  label: string;
  /** Seconds since 1970. */
  times: number[];
  series: Series[];
  /** How a value is written. */
  format: (value: number) => string;
  height?: number;
  /** Charts of one name show the same moment under the pointer. */
  together?: string;
}

const FONT = '11px "IBM Plex Sans Variable", sans-serif';

function colourOf(series: Series, index: number): string {
  const name = `--chart-${series.colour ?? index + 1}`;
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#888";
}

/** A time on the axis: the day where it changes, else the time. */
function tick(seconds: number, span: number): string {
  const options: Intl.DateTimeFormatOptions =
    span > 2 * 86_400 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(document.documentElement.lang, options).format(new Date(seconds * 1000));
}

/** The points that have none beside them. */
function alone(self: uPlot, series: number): number[] {
  const values = self.data[series] ?? [];
  const there = (index: number) => values[index] !== null && values[index] !== undefined;
  return [...values.keys()].filter((index) => there(index) && !there(index - 1) && !there(index + 1));
}

export function Plot(props: ChartProps) {
  const { label, times, series, format, together } = props;
  const height = props.height ?? 180;
  const scheme = useComputedColorScheme();
  const language = useLanguage();
  const { ref: measured, width } = useElementSize<HTMLDivElement>();
  const parent = useRef<HTMLDivElement>(null);
  const ref = useMergedRef(measured, parent);
  const plot = useRef<uPlot>(undefined);
  const [at, setAt] = useState<number | null>(null);
  const data = useMemo(() => [times, ...series.map(({ values }) => values)] as uPlot.AlignedData, [times, series]);
  const names = series.map((one) => `${one.label} ${one.colour ?? ""} ${one.filled ?? ""}`).join();
  const latest = useRef({ data, series, format });
  latest.current = { data, series, format };

  useEffect(() => {
    if (parent.current === null || width === 0) return;
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => style.getPropertyValue(name).trim();
    const axis = { stroke: of("--mantine-color-dimmed"), font: FONT, grid: { stroke: of("--line"), width: 1 }, ticks: { show: false } };
    const made = new uPlot(
      {
        width,
        height,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, ...(together === undefined ? {} : { sync: { key: together } }) },
        scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] } },
        axes: [
          { ...axis, size: 28, grid: { show: false }, values: (self, ticks) => ticks.map((value) => tick(value, (self.scales.x?.max ?? 0) - (self.scales.x?.min ?? 0))) },
          { ...axis, size: 58, values: (_, ticks) => ticks.map((value) => latest.current.format(value)) },
        ],
        series: [
          {},
          ...latest.current.series.map((one, index) => {
            const colour = colourOf(one, index);
            return {
              label: one.label,
              stroke: colour,
              width: 1.5,
              // A line of one point is none.
              points: { show: true, size: 5, width: 0, fill: colour, filter: alone },
              ...(one.filled === true ? { fill: `${colour}22` } : {}),
            };
          }),
        ],
        hooks: { setCursor: [(self) => setAt(self.cursor.idx ?? null)] },
      },
      latest.current.data,
      parent.current,
    );
    plot.current = made;
    return () => made.destroy();
    // Colours are taken from the page when it is made: it is made anew when they change.
  }, [width, height, scheme, language, names, together]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  const index = at !== null && at < times.length ? at : times.length - 1;
  const when = times[index];
  return (
    <figure className={classes.figure} aria-label={label}>
      <figcaption className={classes.legend}>
        {series.map((one, number) => {
          const value = one.values[index];
          return (
            <span key={one.label} className={classes.item}>
              <span className={classes.dot} style={{ background: `var(--chart-${one.colour ?? number + 1})` }} />
              {one.label}
              <b>{value === null || value === undefined ? "–" : format(value)}</b>
            </span>
          );
        })}
        <span className={classes.when}>{when === undefined ? "" : minute(when * 1000)}</span>
      </figcaption>
      <div ref={ref} className={classes.plot} style={{ height }} aria-hidden />
    </figure>
  );
}
