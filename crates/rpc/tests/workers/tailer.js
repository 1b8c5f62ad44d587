let seen = [];

export default {
  tail(events) { seen.push(...JSON.parse(JSON.stringify(events))); },
  fetch() { return Response.json(seen); },
};
