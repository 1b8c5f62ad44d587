const describe = ({ name, message, constructor, code, remote, retryable, overloaded, durableObjectReset }) =>
  ({ name, message, class: constructor.name, code, remote, retryable, overloaded, durableObjectReset });

const cases = {
  who: (room) => room.who(),
  byId: (_, rooms) => rooms.get(rooms.idFromString(rooms.idFromName("unnamed").toString())).who(),
  unique: async (_, rooms) => { const id = rooms.newUniqueId(); const seen = await rooms.get(id).who(); return [seen.id === id.toString(), seen.name]; },
  oddName: (_, rooms) => rooms.getByName("a.b/ü %41 \n").who(),
  property: async (room) => await room.property,
  nested: async (room) => await room.counter.increment(3),
  pipelined: async (room) => await room.make().increment(7),
  async target(room) { using made = await room.make(); return [await made.increment(), await made.increment(5), await made.value]; },
  async backAndForth(room) { using made = await room.make(); return await room.callBack(async (n) => n + (await made.increment())); },
  add: (_, rooms) => rooms.get(rooms.newUniqueId()).add(2),
  callback: async (room) => await room.callBack((n) => n * 2),
  streamOut: async (room) => (await new Response(await room.stream()).text()).length,
  streamIn: async (room) => await room.count(new Blob(["y".repeat(50_000)]).stream()),
  fail: (room) => room.fail(),
  missing: (room) => room.missing(),
  own: async (room) => await room.secret,
  reserved: (room) => room.alarm(),
  inherited: (room) => room.toString(),
  async fetch(room) {
    const response = await room.fetch("https://room.test/path?q=1", { method: "POST", body: "sent", headers: { "x-a": "b" }, cf: { colo: "TST" } });
    return [response.status, response.headers.get("x-a"), await response.json()];
  },
  fetchFails: async (room) => (await room.fetch("http://room.test/fail")).status,
  fetchMoved: async (room) => (await room.fetch("http://room.test/moved", { redirect: "manual" })).status,
  fetchStreams: async (room) => (await (await room.fetch("http://room.test/drip")).text()).length,
  async socket(room) {
    const response = await room.fetch("http://room.test/ws", { headers: { upgrade: "websocket" } });
    const socket = response.webSocket;
    socket.accept();
    const got = [];
    const closed = new Promise((resolve) => {
      socket.addEventListener("message", ({ data }) => { got.push(data); if (got.length === 2) socket.send("close"); });
      socket.addEventListener("close", ({ code, reason }) => resolve([code, reason]));
    });
    socket.send("a");
    socket.send("b");
    return [response.headers.get("x-a"), got, await closed];
  },
  socketFails: async (room) => (await room.fetch("http://room.test/fail", { headers: { upgrade: "websocket" } })).status,
  async order(room) {
    const calls = [];
    for (let i = 0; i < 100; i++) {
      calls.push(i % 3 ? room.note(i) : room.fetch(`http://room.test/note?n=${i}`));
    }
    await Promise.all(calls);
    return await room.noted();
  },
  async abort(room, rooms) {
    const error = await room.abort().then(() => "nothing", describe);
    return [error, (await rooms.getByName("bob").who()).name];
  },
};

const single = {
  spin: (room) => room.spin(),
  hoard: (room) => room.hoard(),
  tallied: (room) => room.tallied(),
  async tally(room, _, n) {
    const done = { acknowledged: 0, lost: 0 };
    for (let i = 0; i < n; i++) {
      try { await room.tally(); done.acknowledged++; } catch (error) { if (!error.retryable && !error.durableObjectReset) throw error; done.lost++; }
    }
    return done;
  },
  slow: (room) => room.slow(100_000),
  later: (room) => room.later(),
  version: (room) => room.who(),
  async flags(room) { try { return await room.who(); } catch (error) { return describe(error); } },
  async increments(room, _, n) {
    const before = Date.now();
    for (let i = 0; i < n; i++) await room.add(1);
    return (1000 * (Date.now() - before)) / n;
  },
  async closes(room) {
    const socket = (await room.fetch("http://room.test/ws", { headers: { upgrade: "websocket" } })).webSocket;
    socket.accept();
    return await new Promise((resolve) => socket.addEventListener("close", ({ code }) => resolve(code)));
  },
  closed: (room) => room.closed(),
};

export default {
  async fetch(request, { ROOMS }) {
    if (request.headers.has("upgrade")) return await ROOMS.getByName("bob").fetch(request);
    const [, name, n] = new URL(request.url).pathname.split("/");
    const run = async (work) => {
      try { return (await work(ROOMS.getByName("bob"), ROOMS, +n)) ?? null; } catch (error) { return { thrown: describe(error) }; }
    };
    if (name) return Response.json(await run(single[name]));
    const seen = {};
    for (const [name, work] of Object.entries(cases)) seen[name] = await run(work);
    return Response.json(seen);
  },
};
