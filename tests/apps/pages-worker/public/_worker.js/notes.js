export async function note(notes, request) {
  if (request.method === "PUT") {
    await notes.put("note", await request.text());
    return "kept";
  }
  return (await notes.get("note")) ?? "nothing";
}
