// A live tail: the WebSocket, and the lines of it that are kept. Lines come in bursts of thousands a second, so they are
// put aside as they come and shown a few times a second.
import { api, result } from "../../api/client";
import type { One } from "../one";
import { linesOf, type Line, type Message } from "./lines";

/** Lines that are kept; older ones go. */
export const KEPT = 10_000;

/** Milliseconds between two looks: less shows no more to a person, and costs a frame each. */
const EVERY = 120;

export type State = "connecting" | "open" | "closed";

/** A tail that one can look at. `subscribe` and `snapshot` are for `useSyncExternalStore`. */
export class Tail {
  #socket: WebSocket | undefined;
  #ended = false;
  #lines: Line[] = [];
  #waiting: Line[] = [];
  #number = 0;
  #timer = 0;
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
    if (!this.#paused && this.#timer === 0) this.#timer = window.setTimeout(this.#show, EVERY);
  }

  #show = (): void => {
    this.#timer = 0;
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
    clearTimeout(this.#timer);
    if (this.#socket !== undefined) {
      this.#socket.onclose = null;
      this.#socket.close();
    }
  }
}
