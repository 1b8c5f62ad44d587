// A table of any length: it draws the rows in sight, sorts, filters, and is walked with the keyboard.
import { Text, TextInput, UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp, Search } from "lucide-react";
import { useDeferredValue, useEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode } from "react";

import classes from "./DataTable.module.css";
import { count } from "./format";
import { useWords } from "./strings";

export interface Column<Row> {
  id: string;
  header: string;
  cell: (row: Row) => ReactNode;
  /** What it is sorted by; without it, it is not. */
  value?: (row: Row) => string | number;
  /** CSS grid track; default `minmax(0, 1fr)`. */
  width?: string;
  align?: "end";
  /** Left out where there is little room. */
  wide?: boolean;
}

interface Props<Row> {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** What a filter looks through; without it there is no filter. */
  text?: (row: Row) => string;
  filterLabel?: string;
  /** What Enter and a click on a row do. */
  onOpen?: (row: Row) => void;
  sort?: { id: string; down?: boolean };
  /** Rows in sight before it scrolls in itself. Default: 15. */
  tall?: number;
  /** What stands beside the filter. */
  tools?: ReactNode;
  /** Called when the end comes in sight, for lists that come in pieces. */
  onEnd?: () => void;
  rowHeight?: number;
  /** A CSS length that rows are at least wide, for many columns: the table scrolls sideways below it. */
  least?: string;
}

const MOVES: Record<string, (at: number, last: number) => number> = {
  ArrowDown: (at, last) => Math.min(at + 1, last),
  ArrowUp: (at) => Math.max(at - 1, 0),
  PageDown: (at, last) => Math.min(at + 12, last),
  PageUp: (at) => Math.max(at - 12, 0),
  Home: () => 0,
  End: (_, last) => last,
};

export function DataTable<Row>(props: Props<Row>) {
  const { columns, rows, rowKey, text, onOpen, onEnd } = props;
  const t = useWords();
  const height = props.rowHeight ?? 42;
  const [filter, setFilter] = useState("");
  const wanted = useDeferredValue(filter.trim().toLowerCase());
  const [sort, setSort] = useState(props.sort);
  const [at, setAt] = useState(0);
  const scroller = useRef<HTMLDivElement>(null);
  const focusing = useRef(false);

  const found = useMemo(
    () => (wanted === "" || text === undefined ? rows : rows.filter((row) => text(row).toLowerCase().includes(wanted))),
    [rows, wanted, text],
  );
  const sorted = useMemo(() => {
    const by = columns.find((column) => column.id === sort?.id)?.value;
    if (by === undefined) return found;
    const sign = sort?.down === true ? -1 : 1;
    // Values are taken once each: a comparison happens n log n times.
    const keyed = found.map((row) => [by(row), row] as const);
    keyed.sort(([one], [other]) => {
      const order = typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
      return sign * order;
    });
    return keyed.map(([, row]) => row);
  }, [found, columns, sort]);

  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
  });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (onEnd !== undefined && sorted.length > 0 && lastSeen >= sorted.length - 20) onEnd();
  }, [lastSeen, sorted.length, onEnd]);
  const current = Math.min(at, Math.max(sorted.length - 1, 0));

  const template = (wide: boolean) =>
    columns
      .filter((column) => wide || column.wide !== true)
      .map((column) => column.width ?? "minmax(0, 1fr)")
      .join(" ");
  const tracks = { "--wide": template(true), "--narrow": template(false), "--least": props.least ?? "0" } as React.CSSProperties;

  function onKey(event: KeyboardEvent<HTMLDivElement>) {
    // Keys in a cell's own buttons and inputs are theirs.
    if (!(event.target instanceof HTMLElement) || event.target.role !== "row") return;
    const move = MOVES[event.key];
    if (move !== undefined) {
      event.preventDefault();
      const next = move(current, sorted.length - 1);
      focusing.current = true;
      setAt(next);
      virtual.scrollToIndex(next);
    } else if ((event.key === "Enter" || event.key === " ") && onOpen !== undefined) {
      const row = sorted[current];
      event.preventDefault();
      if (row !== undefined) onOpen(row);
    }
  }

  return (
    <div>
      {(text !== undefined || props.tools !== undefined) && (
        <div className={classes.tools}>
          {text !== undefined && (
            <TextInput
              className={classes.filter}
              leftSection={<Search size={14} />}
              placeholder={props.filterLabel ?? t("filter")}
              aria-label={props.filterLabel ?? t("filter")}
              value={filter}
              onChange={(event) => setFilter(event.currentTarget.value)}
              type="search"
            />
          )}
          {props.tools}
          <Text c="dimmed" fz="sm" className={classes.count} role="status">
            {sorted.length === rows.length
              ? t("rows", { count: rows.length })
              : t("rowsOf", { shown: count(sorted.length), count: count(rows.length) })}
          </Text>
        </div>
      )}
      <div className={classes.frame}>
        <div
          ref={scroller}
          className={classes.scroller}
          style={{ maxHeight: (props.tall ?? 15) * height + 38, ...tracks }}
          role="grid"
          aria-label={props.label}
          aria-rowcount={sorted.length + 1}
          aria-colcount={columns.length}
          onKeyDown={onKey}
        >
          <div role="rowgroup" className={classes.head}>
            <div role="row" aria-rowindex={1} className={classes.row}>
              {columns.map((column) => {
                const sorting = sort?.id === column.id ? (sort.down === true ? "descending" : "ascending") : undefined;
                return (
                  <div
                    key={column.id}
                    role="columnheader"
                    className={classes.cell}
                    data-align={column.align}
                    data-wide={column.wide || undefined}
                    aria-sort={column.value === undefined ? undefined : (sorting ?? "none")}
                  >
                    {column.value === undefined ? (
                      column.header
                    ) : (
                      <UnstyledButton
                        className={classes.sort}
                        title={t("sortBy", { column: column.header })}
                        onClick={() => setSort({ id: column.id, down: sorting === "ascending" })}
                      >
                        {column.header}
                        {sorting === "ascending" && <ArrowUp size={12} aria-hidden />}
                        {sorting === "descending" && <ArrowDown size={12} aria-hidden />}
                      </UnstyledButton>
                    )}
                  </div>
                );
              })}
            </div>
          </div>
          <div role="rowgroup" className={classes.body} style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const row = sorted[item.index];
              if (row === undefined) return null;
              return (
                <div
                  key={rowKey(row)}
                  role="row"
                  aria-rowindex={item.index + 2}
                  tabIndex={item.index === current ? 0 : -1}
                  ref={(element) => {
                    if (element !== null && focusing.current && item.index === current) {
                      focusing.current = false;
                      element.focus({ preventScroll: true });
                    }
                  }}
                  className={classes.row}
                  data-open={onOpen !== undefined || undefined}
                  style={{ height, transform: `translateY(${item.start}px)` }}
                  onFocus={() => setAt(item.index)}
                  onClick={(event) => {
                    const inner = event.target instanceof Element ? event.target.closest("a,button,input,label") : null;
                    const marked = window.getSelection()?.toString() ?? "";
                    if (inner === null && marked === "") onOpen?.(row);
                  }}
                >
                  {columns.map((column) => (
                    <div
                      key={column.id}
                      role="gridcell"
                      className={classes.cell}
                      data-align={column.align}
                      data-wide={column.wide || undefined}
                    >
                      {column.cell(row)}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        </div>
        {sorted.length === 0 && rows.length > 0 && (
          <div className={classes.nothing}>
            <Text fw={500}>{t("noMatch")}</Text>
            <Text c="dimmed">{t("noMatchHint")}</Text>
          </div>
        )}
      </div>
    </div>
  );
}
