// There is no file of this name: what passes through is the page that stands below it.
export function onRequest(context) {
  context.data.seen.push("passing");
  context.passThroughOnException();
  throw new Error("never seen");
}
