// Stands beside a worker in its process and hands it the events that do not come as requests of a client. Hearth posts
// them to the socket `events`; the answer says how the handler and its waitUntil tasks ended.
export default {
  async fetch(request, { USER }) {
    const { pathname } = new URL(request.url);
    const event = await request.json();
    switch (pathname) {
      case "/scheduled":
        return Response.json(await USER.scheduled({ cron: event.cron, scheduledTime: new Date(event.scheduledTime) }));
      default:
        return new Response("no such event", { status: 404 });
    }
  },
};
