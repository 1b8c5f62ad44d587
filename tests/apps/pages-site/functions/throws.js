export function onRequest() {
  throw new Error("the function's own");
}
