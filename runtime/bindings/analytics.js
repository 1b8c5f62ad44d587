// The API of an Analytics Engine binding. The points of one turn go to Hearth together, and nobody waits for them.
import workers from "cloudflare-internal:workers";

// Strings and bytes, as workerd's own binding takes them; what is missing leaves its column empty.
function text(value) {
  if (value === null || value === undefined) return null;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return new TextDecoder().decode(value);
  return String(value);
}

class AnalyticsEngineDataset {
  #fetcher;
  #points = [];

  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  writeDataPoint(point) {
    const { indexes, blobs, doubles } = point ?? {};
    const read = {
      indexes: Array.from(indexes ?? [], text),
      blobs: Array.from(blobs ?? [], text),
      doubles: Array.from(doubles ?? [], Number),
    };
    // The request that writes the first one of a turn carries all of them, and lives until they are sent.
    if (this.#points.length === 0) workers.waitUntil(Promise.resolve().then(() => this.#send()));
    this.#points.push(read);
  }

  async #send() {
    const body = JSON.stringify(this.#points.splice(0));
    try {
      const answer = await this.#fetcher.fetch("http://analytics/points", { method: "POST", body });
      await answer.arrayBuffer();
    } catch {
      // As on Cloudflare, a point that is lost is nobody's failure.
    }
  }
}

export default function (env) {
  return new AnalyticsEngineDataset(env.fetcher);
}
