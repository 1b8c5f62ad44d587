// What bytes are, so that they can be shown: as text, never as a page.

export type Kind = "empty" | "json" | "text" | "binary";

/** Bytes as text, if they are some. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    // Control characters that no text has.
    return /[\u0000-\u0008\u000e-\u001a\u001c-\u001f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

export function kindOf(bytes: Uint8Array): Kind {
  if (bytes.length === 0) return "empty";
  const text = textOf(bytes);
  if (text === undefined) return "binary";
  return /^\s*[[{]/.test(text) && isJson(text) ? "json" : "text";
}

/** The first bytes as one sees them in a hex editor. */
export function hex(bytes: Uint8Array, most = 2048): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, most); at += 16) {
    const row = [...bytes.subarray(at, Math.min(at + 16, most))];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits.padEnd(47)}  ${letters}`);
  }
  if (bytes.length > most) lines.push("…");
  return lines.join("\n");
}

/** Images that a browser draws without running anything; SVG is not among them. */
const IMAGES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "image/x-icon"]);

/** The image type of a content type, if it is one that may be shown. */
export function imageType(contentType: string | undefined): string | undefined {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  return type !== undefined && IMAGES.has(type) ? type : undefined;
}
