addEventListener("fetch", (event) => {
  const sum = new WebAssembly.Instance(ADD).exports.add(1, 2);
  event.respondWith(Response.json({ word: WORD, sum, note: NOTE, path: new URL(event.request.url).pathname }));
});
