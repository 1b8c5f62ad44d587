// What a tail's messages say, as lines. Pure.

export interface Line {
  id: number;
  /** Milliseconds since 1970. */
  at: number;
  level: "debug" | "info" | "log" | "warn" | "error" | "request" | "notice";
  text: string;
  /** What called the worker. */
  cause: string;
}

/** One message of a tail: what called the worker, and all that was said meanwhile. */
export interface Message {
  outcome: string;
  eventTimestamp: number;
  wallTime?: number;
  event: {
    request?: { url: string; method: string };
    response?: { status: number };
    cron?: string;
    queue?: string;
    rpcMethod?: string;
    scheduledTime?: string | number;
    message?: string;
    type?: string;
  } | null;
  logs: { message: unknown[]; level: Line["level"]; timestamp: number }[];
  exceptions: { name: string; message: string; timestamp: number; stack?: string }[];
}

/** One argument of `console.log` as text. */
function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function causeOf({ event, outcome }: Message): string {
  if (event === null) return outcome;
  if (event.request !== undefined) {
    const { url, method } = event.request;
    const status = event.response === undefined ? outcome : event.response.status;
    let path = url;
    try {
      const parsed = new URL(url);
      path = parsed.pathname + parsed.search;
    } catch {
      // It is shown as it is.
    }
    return `${method} ${path} → ${status}`;
  }
  if (event.cron !== undefined) return `cron ${event.cron}`;
  if (event.queue !== undefined) return `queue ${event.queue}`;
  if (event.rpcMethod !== undefined) return `rpc ${event.rpcMethod}`;
  return event.scheduledTime === undefined ? outcome : "alarm";
}

/** The lines of one message: the call itself, then what was said in it. */
export function linesOf(message: Message, next: () => number): Line[] {
  if (message.event?.message !== undefined) {
    return [{ id: next(), at: message.eventTimestamp, level: "notice", text: message.event.message, cause: "" }];
  }
  const cause = causeOf(message);
  const bad = message.outcome !== "ok" && message.outcome !== "canceled";
  const call: Line = {
    id: next(),
    at: message.eventTimestamp,
    level: bad ? "error" : "request",
    text: bad && !cause.endsWith(message.outcome) ? `${cause} (${message.outcome})` : cause,
    cause,
  };
  const said = message.logs.map(
    ({ message: parts, level, timestamp }): Line => ({
      id: next(),
      at: timestamp,
      level,
      text: Array.isArray(parts) ? parts.map(text).join(" ") : text(parts),
      cause,
    }),
  );
  const thrown = message.exceptions.map(
    ({ name, message: why, stack, timestamp }): Line => ({
      id: next(),
      at: timestamp,
      level: "error",
      // The stack comes without the line that repeats these.
      text: [`${name}: ${why}`, ...(stack === undefined ? [] : [stack])].join("\n"),
      cause,
    }),
  );
  return [call, ...said, ...thrown];
}
