// Figures and times as people read them, in their language.
import { language } from "../i18n";
import { useWords } from "./strings";

const numbers = new Map<string, Intl.NumberFormat>();

function format(options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = language() + JSON.stringify(options);
  let found = numbers.get(name);
  if (found === undefined) {
    found = new Intl.NumberFormat(language(), options);
    numbers.set(name, found);
  }
  return found;
}

/** 1,234,567 */
export function count(value: number): string {
  return format({ maximumFractionDigits: 0 }).format(value);
}

/** 1.2M: where there is little room. */
export function short(value: number): string {
  if (Math.abs(value) < 10_000) return format({ maximumFractionDigits: value < 10 && value % 1 !== 0 ? 2 : 0 }).format(value);
  return format({ notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** 12.5% of a share between 0 and 1. */
export function percent(share: number): string {
  return format({ style: "percent", maximumFractionDigits: share !== 0 && share < 0.1 ? 2 : 1 }).format(share);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const;

/** Bytes, in powers of 1024. */
export function bytes(value: number): string {
  let unit = 0;
  let rest = value;
  while (Math.abs(rest) >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${format({ maximumFractionDigits: unit === 0 || rest >= 100 ? 0 : 1 }).format(rest)} ${UNITS[unit]}`;
}

/** A duration in milliseconds: 850 µs, 12.3 ms, 1.2 s, 3 min. */
export function duration(ms: number): string {
  const of = (value: number) => format({ maximumFractionDigits: value >= 100 ? 0 : value >= 10 ? 1 : 2 }).format(value);
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${of(ms * 1000)} µs`;
  if (ms < 1000) return `${of(ms)} ms`;
  if (ms < 120_000) return `${of(ms / 1000)} s`;
  return `${of(ms / 60_000)} min`;
}

/** 30 Nov 2026, 18:03:12 */
export function moment(when: string | number | Date): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }).format(new Date(when));
}

/** 30 Nov 2026, 18:03 */
export function minute(when: string | number | Date): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format(new Date(when));
}

/** 18:03:12.345, for lines of a log. */
export function clock(when: string | number | Date): string {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" } as const;
  return new Intl.DateTimeFormat(language(), options).format(new Date(when));
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 30],
  ["month", 12],
  ["year", Infinity],
];

/** 5 minutes ago, in 3 days */
export function ago(when: string | number | Date, now = Date.now()): string {
  let value = (new Date(when).getTime() - now) / 1000;
  if (Math.abs(value) < 5) return useWords.now("time.now");
  const words = new Intl.RelativeTimeFormat(language(), { numeric: "always", style: "long" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return words.format(Math.round(value), unit);
    value /= size;
  }
  return moment(when);
}

/** The beginning of an id, as it is shown in lists. */
export function brief(id: string): string {
  return id.slice(0, 8);
}
