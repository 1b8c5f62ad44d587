export function onRequest({ waitUntil }) {
  console.log("from the function");
  waitUntil(Promise.resolve());
  return new Response("logged");
}
