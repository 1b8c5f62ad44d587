// The API of an Analytics Engine binding: a data point is handed to Hearth and not waited for.
class Dataset {
  #fetcher;

  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  writeDataPoint(point = {}) {
    this.#fetcher.fetch("http://analytics/point", { method: "POST", body: JSON.stringify(point) }).catch(() => {});
  }
}

export default function (env) {
  return new Dataset(env.fetcher);
}
