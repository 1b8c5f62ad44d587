import type { Connection } from "../connection.js";
import type { components } from "../schema.js";

/** How a body is sent. */
export type QueueContentType = "json" | "text" | "bytes";

/** A message of a batch. */
export interface QueueMessage<Body = unknown> {
  body: Body;
  contentType?: QueueContentType;
  delaySeconds?: number;
}

function outgoing({ body, contentType = "json", delaySeconds }: QueueMessage): components["schemas"]["QueueMessage"] {
  const delay = delaySeconds === undefined ? {} : { delay_seconds: delaySeconds };
  switch (contentType) {
    case "json":
      if (body === undefined) throw new TypeError("A message needs a body.");
      return { body, content_type: "json", ...delay };
    case "text":
      return { body: String(body), content_type: "text", ...delay };
    case "bytes": {
      const isView = ArrayBuffer.isView(body);
      if (!isView && !(body instanceof ArrayBuffer)) throw new TypeError("A body of `bytes` is bytes.");
      const bytes = isView ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : Buffer.from(body as ArrayBuffer);
      return { body: bytes.toString("base64"), content_type: "bytes", ...delay };
    }
    default:
      throw new TypeError(`The content type ${JSON.stringify(contentType)} is not available outside of a worker.`);
  }
}

/** The producer's side of a queue, with the methods that workers have. Bodies are JSON where nothing else is said. */
export class Queue<Body = unknown> {
  readonly #on: Connection;
  readonly #name: string;
  #id: string | undefined;

  constructor(on: Connection, name: string, id: string | undefined) {
    this.#on = on;
    this.#name = name;
    this.#id = id;
  }

  async #path(): Promise<{ account: string; queue: string }> {
    const account = await this.#on.account();
    if (this.#id === undefined) {
      const call = this.#on.api.GET("/client/v4/accounts/{account}/queues", {
        params: { path: { account }, query: { name: this.#name } },
      });
      const [found] = await this.#on.result(call);
      if (found === undefined) throw new Error(`There is no queue ${this.#name}.`);
      this.#id = found.queue_id;
    }
    return { account, queue: this.#id };
  }

  /** Sends a message. */
  async send(body: Body, options: { contentType?: QueueContentType; delaySeconds?: number } = {}): Promise<void> {
    const message = outgoing({ body, ...options });
    const path = await this.#path();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/queues/{queue}/messages", {
      params: { path },
      body: message,
    });
    await this.#on.result(call);
  }

  /** Sends messages, all or none. */
  async sendBatch(
    messages: Iterable<QueueMessage<Body>>,
    { delaySeconds }: { delaySeconds?: number } = {},
  ): Promise<void> {
    const body = {
      messages: Array.from(messages, outgoing),
      ...(delaySeconds === undefined ? {} : { delay_seconds: delaySeconds }),
    };
    const path = await this.#path();
    const call = this.#on.api.POST("/client/v4/accounts/{account}/queues/{queue}/messages/batch", {
      params: { path },
      body,
    });
    await this.#on.result(call);
  }

  /** How much waits. */
  async metrics(): Promise<{ backlogCount: number; backlogBytes: number; oldestMessageTimestamp: number }> {
    const path = await this.#path();
    const call = this.#on.api.GET("/client/v4/accounts/{account}/queues/{queue}/metrics", { params: { path } });
    const { backlog_count, backlog_bytes, oldest_message_timestamp_ms } = await this.#on.result(call);
    return {
      backlogCount: backlog_count,
      backlogBytes: backlog_bytes,
      oldestMessageTimestamp: oldest_message_timestamp_ms,
    };
  }
}
