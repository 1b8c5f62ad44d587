// What it was told, and how often: it tails itself too, which must not go round.
const seen = [];
let calls = 0;

export default {
  tail(events) {
    calls++;
    for (const item of events) {
      const request = item.event?.request;
      seen.push({
        script: item.scriptName,
        version: item.scriptVersion?.id,
        outcome: item.outcome,
        entrypoint: item.entrypoint,
        url: request?.url,
        authorization: request?.headers.authorization,
        unredacted: request?.getUnredacted().headers.authorization,
        status: item.event?.response?.status,
        logs: item.logs.map(({ level, message }) => ({ level, message })),
        exceptions: item.exceptions.map(({ name, message }) => `${name}: ${message}`),
        consumed: item.event?.consumedEvents?.map(({ scriptName }) => scriptName),
      });
    }
  },
  fetch() { return Response.json({ calls, seen }); },
};
