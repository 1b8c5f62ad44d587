import { DurableObject, RpcTarget } from "cloudflare:workers";

class Counter extends RpcTarget {
  #value = 0;
  add(n) {
    return (this.#value += n);
  }
}

export class Facet extends DurableObject {
  add(text) {
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS notes (text)");
    this.ctx.storage.sql.exec("INSERT INTO notes VALUES (?)", text);
    return this.ctx.storage.sql.exec("SELECT group_concat(text) AS all_of_it FROM notes").one().all_of_it;
  }
}

// Keys and values only.
export class Old extends DurableObject {
  async add() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }

  sql() {
    return this.ctx.storage.sql.exec("SELECT 1").one();
  }
}

export class Thing extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.born = 0;
    ctx.blockConcurrencyWhile(async () => {
      await scheduler.wait(5);
      this.born = ((await ctx.storage.get("born")) ?? 0) + 1;
      await ctx.storage.put("born", this.born);
    });
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
  }

  async add() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }

  births() {
    return this.born;
  }

  async keys() {
    const { storage } = this.ctx;
    await storage.put({ a: 1, b: new Date(0), c: new Uint8Array([1, 2]), "d/x": null });
    const found = [...(await storage.list({ prefix: "d/" })).keys(), ...(await storage.get(["a", "none"])).keys()];
    const deleted = [await storage.delete("a"), await storage.delete("a"), await storage.delete(["b", "c"])];
    let rolled = "";
    try {
      await storage.transaction(async (txn) => {
        await txn.put("t", 1);
        rolled += await txn.get("t");
        throw new Error("undo");
      });
    } catch (error) {
      rolled += error.message;
    }
    return { found, deleted, rolled, t: (await storage.get("t")) ?? null, left: [...(await storage.list()).keys()] };
  }

  sql() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS people (id INTEGER PRIMARY KEY, name TEXT, extra BLOB)");
    const cursor = sql.exec("INSERT INTO people (name) VALUES (?), (?) RETURNING id, name", "ada", "büb");
    const rows = cursor.toArray();
    let rolled;
    try {
      this.ctx.storage.transactionSync(() => {
        sql.exec("DELETE FROM people");
        throw new Error("undo");
      });
    } catch (error) {
      rolled = error.message;
    }
    let wrong;
    try {
      sql.exec("SELEKT 1");
    } catch (error) {
      wrong = error.message;
    }
    const count = sql.exec("SELECT count(*) AS n FROM people").one().n;
    sql.exec("DELETE FROM people");
    return { rows: rows.map((row) => row.name), written: cursor.rowsWritten, rolled, wrong, count, size: sql.databaseSize > 0 };
  }

  fail(text) {
    throw new TypeError(text);
  }

  counter() {
    return new Counter();
  }

  facet(text) {
    return this.ctx.facets.get("f", () => ({ class: this.ctx.exports.Facet })).add(text);
  }

  abort() {
    this.ctx.abort("enough");
  }

  async wipe() {
    await this.ctx.storage.put("n", 9);
    await this.ctx.storage.deleteAll();
    return [...(await this.ctx.storage.list()).keys()];
  }

  async arm(ms, failures) {
    await this.ctx.storage.put({ failures, rings: [] });
    await this.ctx.storage.setAlarm(Date.now() + ms);
    return (await this.ctx.storage.getAlarm()) > Date.now();
  }

  async alarm(info) {
    const rings = (await this.ctx.storage.get("rings")) ?? [];
    const failures = (await this.ctx.storage.get("failures")) ?? 0;
    rings.push(info?.retryCount ?? 0);
    await this.ctx.storage.put({ rings, rang: Date.now() });
    if (rings.length <= failures) {
      // What is written stays: the storage is flushed before the throw.
      await this.ctx.storage.sync();
      throw new Error("not yet");
    }
  }

  async rings() {
    return (await this.ctx.storage.get("rings")) ?? null;
  }

  fetch(request) {
    if (request.headers.get("upgrade") !== "websocket") return new Response(`fetched ${new URL(request.url).pathname}`);
    const { 0: client, 1: server } = new WebSocketPair();
    const name = new URL(request.url).searchParams.get("who");
    this.ctx.acceptWebSocket(server, [name, "all"]);
    server.serializeAttachment({ name, born: this.born });
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, message) {
    const { name, born } = socket.deserializeAttachment();
    const tags = this.ctx.getTags(socket).join("+");
    for (const other of this.ctx.getWebSockets("all")) {
      other.send(`${name} (${tags}, ${this.born - born} births later): ${message}`);
    }
  }

  webSocketClose(socket, code) {
    socket.close(code, "bye");
  }
}

const tried = async (promise) => {
  try {
    return await promise;
  } catch (error) {
    return { name: error.name, message: error.message, reset: error.durableObjectReset ?? false };
  }
};

const ids = (env) => {
  const { THINGS } = env;
  const named = THINGS.idFromName("a");
  const unique = THINGS.newUniqueId();
  const outcomes = [
    named.equals(THINGS.idFromName("a")),
    named.name,
    unique.equals(THINGS.newUniqueId()),
    THINGS.idFromString(unique.toString()).equals(unique),
    unique.toString().length,
  ];
  for (const attempt of [() => THINGS.idFromString("abc"), () => env.OLD.get(unique), () => THINGS.jurisdiction("moon")]) {
    try {
      attempt();
      outcomes.push("fine");
    } catch (error) {
      outcomes.push(`${error.name}: ${error.message}`);
    }
  }
  return outcomes;
};

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const stub = env.THINGS.getByName(searchParams.get("name") ?? "thing");
    const old = env.OLD.get(env.OLD.idFromName("old"));
    const number = (key) => Number(searchParams.get(key) ?? 0);
    switch (pathname) {
      case "/add": return Response.json(await stub.add());
      case "/old": return Response.json([await old.add(), await tried(old.sql())]);
      case "/births": return Response.json(await stub.births());
      case "/keys": return Response.json(await stub.keys());
      case "/sql": return Response.json(await stub.sql());
      case "/ids": return Response.json(ids(env));
      case "/fail": return Response.json(await tried(stub.fail("no")));
      case "/rpc": {
        using counter = await stub.counter();
        return Response.json([await counter.add(2), await counter.add(3), await stub.counter().add(7)]);
      }
      case "/facet": return Response.json([await stub.facet("a"), await stub.facet("b")]);
      case "/abort": return Response.json([await tried(stub.abort()), typeof (await env.THINGS.getByName("thing").add())]);
      case "/wipe": return Response.json(await stub.wipe());
      case "/arm": return Response.json(await stub.arm(number("ms"), number("failures")));
      case "/rings": return Response.json(await stub.rings());
      default: return stub.fetch(request);
    }
  },
};
