// Writes number `n` of a writer into an object of its own, in one of the ways that there are, and says what stands there.
import { DurableObject } from "cloudflare:workers";

export class Place extends DurableObject {
  async write(way, n) {
    const { storage } = this.ctx;
    switch (way) {
      case "pairs":
        return storage.put({ a: n, b: n });
      case "transaction":
        return storage.transaction(async (txn) => {
          await txn.put("a", n);
          await txn.put("b", n);
        });
      case "sql":
        storage.sql.exec("CREATE TABLE IF NOT EXISTS numbers (id TEXT PRIMARY KEY, n INTEGER)");
        return storage.transactionSync(() => {
          for (const id of ["a", "b"]) storage.sql.exec("INSERT OR REPLACE INTO numbers VALUES (?, ?)", id, n);
        });
      case "alarm":
        await storage.put("armed", n);
        await storage.setAlarm(Date.now() + 50);
    }
  }

  async alarm() {
    await this.ctx.storage.put("rang", await this.ctx.storage.get("armed"));
  }

  async read(way) {
    const { storage } = this.ctx;
    if (way === "alarm") return [await storage.get("armed"), await storage.get("rang")];
    if (way !== "sql") return [...(await storage.get(["a", "b"])).values()];
    storage.sql.exec("CREATE TABLE IF NOT EXISTS numbers (id TEXT PRIMARY KEY, n INTEGER)");
    return [...storage.sql.exec("SELECT n FROM numbers ORDER BY id")].map(({ n }) => n);
  }
}

export default {
  async fetch(request, env) {
    const [, what, way, n] = new URL(request.url).pathname.split("/");
    const place = env.PLACES.getByName(way);
    if (what === "write") await place.write(way, Number(n));
    return Response.json(what === "read" ? await place.read(way) : "written");
  },
};
