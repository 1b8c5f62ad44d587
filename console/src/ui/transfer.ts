// Files up and down, with what is through so far.
import { Fault, faultOf } from "../api/error";

export interface Upload {
  method?: "PUT" | "POST";
  path: string;
  body: Blob | FormData | string;
  headers?: Record<string, string>;
  /** The share that is sent, from 0 to 1. */
  onProgress?: (share: number) => void;
  signal?: AbortSignal;
}

/** Sends a body of any size and gives the answer's text. `fetch` does not say how far it is. */
export function upload({ method = "PUT", path, body, headers, onProgress, signal }: Upload): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    for (const [name, value] of Object.entries({ "x-hearth-csrf": "1", ...headers })) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => onProgress?.(total === 0 ? 1 : loaded / total);
    request.onload = () => {
      const text = request.responseText;
      if (request.status < 400) return resolve(text);
      let said: unknown = text;
      try {
        said = JSON.parse(text);
      } catch {
        // Text is what it says.
      }
      reject(faultOf(new Response(null, { status: request.status }), said));
    };
    request.onerror = () => reject(new Fault(0, ""));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(body);
  });
}

/** Gives the person a file. */
export function save(content: Blob | Uint8Array<ArrayBuffer> | string, name: string): void {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content]));
  download(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Gives the person what is at an address of this origin, as it comes. */
export function download(url: string, name: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
