// The API of a rate limit binding. Hearth counts; here a call is checked, with the texts that `wrangler dev` has.
const OPTIONS = ["key", "limit", "period", "delta"];
const PERIODS = [10, 60];
const MOST_DELTA = 2 ** 32 - 1;

function check(holds, text) {
  if (!holds) throw new Error(text);
}

// A weight, as WebIDL converts to `[EnforceRange] unsigned long`, but for 0.
function weight(delta) {
  const value = Number(delta);
  if (!Number.isFinite(value)) {
    throw new TypeError("The value cannot be converted because it is not an integer.");
  }
  if (value < 0) {
    throw new TypeError(
      "The value cannot be converted because it is negative and this API expects a positive number.",
    );
  }
  if (value > MOST_DELTA) {
    throw new TypeError(`Value out of range. Must be less than or equal to ${MOST_DELTA}.`);
  }
  if (Math.trunc(value) === 0) throw new RangeError("delta must be non-zero");
  return Math.trunc(value);
}

class RateLimit {
  #fetcher;

  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  async limit(options) {
    check(typeof options === "object" && options !== null, "invalid rate limit options");
    const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
    check(unknown.length === 0, `bad rate limit options: [${unknown.join(",")}]`);
    const { key = "", limit, period, delta = 1 } = options;
    check(typeof key === "string", `invalid key: ${key}`);
    check(limit === undefined || typeof limit === "number", `limit must be a number: ${limit}`);
    check(period === undefined || typeof period === "number", `period must be a number: ${period}`);
    check(period === undefined || PERIODS.includes(period), `unsupported period: ${period}`);
    const response = await this.#fetcher.fetch("http://ratelimit/limit", {
      method: "POST",
      body: JSON.stringify({ key, limit, period, delta: weight(delta) }),
    });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }
}

export default function (env) {
  return new RateLimit(env.fetcher);
}
