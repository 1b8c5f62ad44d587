/** Why a call failed: the server's own words, or that it was not reached (`status` 0). */
export class Fault extends Error {
  override readonly name = "Fault";

  constructor(
    /** The HTTP status; 0: no answer came. */
    readonly status: number,
    message: string,
    /** Cloudflare's number, or the name of an error where the API has names. */
    readonly code?: string,
    /** What of the call it is about, where the API says so. */
    readonly field?: string,
    /** Seconds until it may be tried again, where the server says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** The error of a response, in whichever of the API's forms it is. */
export function faultOf(response: Response, body: unknown): Fault {
  const after = Number(response.headers.get("retry-after"));
  const said = read(body);
  return new Fault(response.status, said.message, said.code, said.field, after > 0 ? after : undefined);
}

interface Said {
  message: string;
  code?: string;
  field?: string;
}

function read(body: unknown): Said {
  if (typeof body === "string") {
    // A page of a proxy in between is nothing to show.
    return { message: body.trimStart().startsWith("<") ? "" : body.trim() };
  }
  if (typeof body !== "object" || body === null) return { message: "" };
  if ("errors" in body && Array.isArray(body.errors) && body.errors.length > 0) {
    const errors = body.errors as { code?: number; message: string }[];
    const code = errors[0]?.code;
    return {
      message: errors.map((error) => error.message).join(" "),
      ...(code === undefined ? {} : { code: String(code) }),
    };
  }
  if ("error" in body) {
    const { error } = body;
    if (typeof error === "string") {
      const field = "field" in body && typeof body.field === "string" ? { field: body.field } : {};
      return { message: error, ...field };
    }
    if (typeof error === "object" && error !== null && "message" in error) {
      const code = "code" in error ? { code: String(error.code) } : {};
      return { message: String(error.message), ...code };
    }
  }
  return { message: "message" in body ? String(body.message) : "" };
}
