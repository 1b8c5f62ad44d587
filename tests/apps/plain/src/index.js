export default {
  fetch: (request, env) => Response.json({ word: env.WORD, key: env.KEY, other: env.OTHER, path: new URL(request.url).pathname }),
};
