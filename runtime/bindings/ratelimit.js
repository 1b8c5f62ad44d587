// The API of a rate limit binding. Hearth counts; here is only the call.
class RateLimit {
  #fetcher;

  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  async limit({ key } = {}) {
    const response = await this.#fetcher.fetch("http://ratelimit/limit", {
      method: "POST",
      body: JSON.stringify({ key }),
    });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  }
}

export default function (env) {
  return new RateLimit(env.fetcher);
}
