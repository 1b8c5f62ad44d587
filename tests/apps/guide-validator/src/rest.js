export function processRequest(cleaned) {
  return Response.json({ cleaned });
}
