// A live tail: the WebSocket, and the lines of it that are kept. Lines come in bursts of thousands a second, so they are
// put aside as they come and shown once a frame at most.
import { api, result } from "../../api/client";
import type { One } from "../one";

export interface Line {
  id: number;
  /** Milliseconds since 1970. */
  at: number;
  level: "debug" | "info" | "log" | "warn" | "error" | "request" | "notice";
  text: string;
  /** What called the worker. */
  cause: string;
}

/** Lines that are kept; older ones go. */
export const KEPT = 20_000;

interface Message {
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
    text: bad ? `${cause} (${message.outcome})` : cause,
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

export type State = "connecting" | "open" | "closed";

/** A tail that one can look at. `subscribe` and `snapshot` are for `useSyncExternalStore`. */
export class Tail {
  #socket: WebSocket | undefined;
  #ended = false;
  #lines: Line[] = [];
  #waiting: Line[] = [];
  #number = 0;
  #frame = 0;
  #listeners = new Set<() => void>();
  #paused = false;
  state: State = "connecting";
  error: unknown;

  constructor(readonly one: One) {
    void this.#open();
  }

  async #open(): Promise<void> {
    try {
      const made = await result(
        api.POST("/client/v4/accounts/{account}/workers/scripts/{worker}/tails", {
          params: { path: this.one },
          body: { filters: [] },
        }),
      );
      if (this.#ended) return;
      // The same host that the page is from: the server may know itself by another name.
      const url = new URL(new URL(made.url).pathname, window.location.href);
      url.protocol = window.location.protocol === "https:" ? "wss:" : "ws:";
      const socket = new WebSocket(url, "trace-v1");
      socket.binaryType = "arraybuffer";
      this.#socket = socket;
      socket.onopen = () => this.#become("open");
      socket.onclose = () => this.#become("closed");
      socket.onmessage = ({ data }) => this.#take(data as string | ArrayBuffer);
    } catch (error) {
      this.error = error;
      this.#become("closed");
    }
  }

  #take(data: string | ArrayBuffer): void {
    const message = typeof data === "string" ? data : new TextDecoder().decode(data);
    const read = JSON.parse(message) as Message | Message[];
    for (const one of Array.isArray(read) ? read : [read]) {
      for (const line of linesOf(one, () => this.#number++)) this.#waiting.push(line);
    }
    // Also while it is paused what comes is bounded.
    if (this.#waiting.length > KEPT) this.#waiting.splice(0, this.#waiting.length - KEPT);
    if (!this.#paused && this.#frame === 0) this.#frame = requestAnimationFrame(this.#show);
  }

  #show = (): void => {
    this.#frame = 0;
    const all = this.#lines.length + this.#waiting.length;
    this.#lines =
      all > KEPT ? [...this.#lines.slice(all - KEPT), ...this.#waiting] : [...this.#lines, ...this.#waiting];
    this.#waiting = [];
    this.#tell();
  };

  #become(state: State): void {
    this.state = state;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  pause(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#show();
  }

  /** Lines that came since it was paused. */
  get waiting(): number {
    return this.#waiting.length;
  }

  clear(): void {
    this.#waiting = [];
    this.#lines = [];
    this.#tell();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  snapshot = (): readonly Line[] => this.#lines;

  end(): void {
    this.#ended = true;
    cancelAnimationFrame(this.#frame);
    if (this.#socket !== undefined) {
      this.#socket.onclose = null;
      this.#socket.close();
    }
  }
}
