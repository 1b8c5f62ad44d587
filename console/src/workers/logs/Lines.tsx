// Lines of a log, of which those in sight are drawn. They are text, whatever is in them.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";

import { clock } from "../../ui/format";
import classes from "./Lines.module.css";
import type { Line } from "./lines";

interface Props {
  label: string;
  lines: readonly Line[];
  /** Newest at the end, which stays in sight while one looks there. */
  follow?: boolean;
  onOpen?: (line: Line) => void;
  open?: number | undefined;
}

const HEIGHT = 24;

export function Lines(props: Props) {
  const { lines, follow } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => HEIGHT,
    getItemKey: (index) => lines[index]?.id ?? index,
    overscan: 20,
  });

  useEffect(() => {
    const element = scroller.current;
    if (follow === true && atEnd.current && element !== null) element.scrollTop = element.scrollHeight;
  }, [lines, follow]);

  return (
    <div
      ref={scroller}
      className={classes.scroller}
      role="log"
      aria-label={props.label}
      // Thousands of lines a second are nothing to read aloud.
      aria-live="off"
      tabIndex={0}
      onScroll={({ currentTarget: element }) => {
        atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < 2 * HEIGHT;
      }}
    >
      <div className={classes.all} style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          if (line === undefined) return null;
          return (
            <div
              key={item.key}
              data-index={item.index}
              ref={virtual.measureElement}
              className={classes.line}
              data-level={line.level}
              data-open={line.id === props.open || undefined}
              style={{ transform: `translateY(${item.start}px)` }}
              onClick={() => props.onOpen?.(line)}
            >
              <span className={classes.time}>{clock(line.at)}</span>
              <span className={classes.level}>{line.level === "request" ? "" : line.level}</span>
              <span className={classes.text}>{line.text}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
