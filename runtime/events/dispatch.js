// Stands beside a worker in its process and hands it the events that do not come as requests of a client. Hearth posts
// them to the socket `events`; the answer says how the handler and its waitUntil tasks ended.
export default {
  async fetch(request, { USER, WORKFLOWS }) {
    const { pathname } = new URL(request.url);
    if (WORKFLOWS && pathname.startsWith("/workflows/")) return WORKFLOWS.fetch(request);
    const event = await request.json();
    switch (pathname) {
      case "/scheduled":
        return Response.json(await USER.scheduled({ cron: event.cron, scheduledTime: new Date(event.scheduledTime) }));
      case "/queue": {
        const messages = event.messages.map(({ timestamp, bytes, v8, ...message }) => {
          if (bytes !== undefined) message.body = Uint8Array.fromBase64(bytes);
          if (v8 !== undefined) message.serializedBody = Uint8Array.fromBase64(v8);
          return { ...message, timestamp: new Date(timestamp) };
        });
        const { oldestMessageTimestamp, ...backlog } = event.metrics;
        const metrics = { ...backlog, oldestMessageTimestamp: new Date(oldestMessageTimestamp) };
        return Response.json(await USER.queue(event.queue, messages, { metrics }));
      }
      default:
        return new Response("no such event", { status: 404 });
    }
  },
};
