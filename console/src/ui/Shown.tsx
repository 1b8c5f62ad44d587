// Text that others wrote, as it is: never markup.
import classes from "./Shown.module.css";

/** JSON to be read; text stays what it is. */
export function pretty(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}

export function Shown(props: { text: string; label: string; tall?: number; bad?: boolean }) {
  return (
    <pre
      className={classes.shown}
      data-bad={props.bad || undefined}
      // It scrolls, also by keyboard.
      tabIndex={0}
      aria-label={props.label}
      style={{ maxHeight: props.tall ?? 320 }}
    >
      {props.text}
    </pre>
  );
}
