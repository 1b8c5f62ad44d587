import type { components } from "./schema.js";

/** One line of an error in Cloudflare's envelope. */
export type Message = components["schemas"]["ApiMessage"];

/** The server said no. The message is the server's own. */
export class HearthError extends Error {
  override readonly name = "HearthError";
  /** The HTTP status. */
  readonly status: number;
  /** Cloudflare's code, where the API has them. */
  readonly code: number | undefined;
  /** What of the call it is about, where the API says so. */
  readonly field: string | undefined;
  /** The answer's body. */
  readonly body: unknown;

  constructor(status: number, body: unknown, call: string) {
    const said = read(body);
    super(said.message || `${call} was answered with ${status}`);
    this.status = status;
    this.code = said.code;
    this.field = said.field;
    this.body = body;
  }
}

interface Said {
  message: string;
  code?: number;
  field?: string;
}

/** Whichever of the API's ways to say no it is. */
function read(body: unknown): Said {
  if (typeof body === "string") return { message: body.trim() };
  if (typeof body !== "object" || body === null) return { message: "" };
  if ("errors" in body && Array.isArray(body.errors) && body.errors.length > 0) {
    const errors = body.errors as Message[];
    const message = errors.map((error) => error.message).join("; ");
    return { message, code: errors[0]!.code };
  }
  if ("error" in body && typeof body.error === "string") {
    const field = "field" in body && typeof body.field === "string" ? body.field : undefined;
    return field === undefined ? { message: body.error } : { message: body.error, field };
  }
  return { message: "" };
}
