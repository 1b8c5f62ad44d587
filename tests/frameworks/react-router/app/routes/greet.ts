export async function action({ request }: { request: Request }) {
  const form = await request.formData();
  return { greeting: `Hello, ${form.get("name")}!` };
}
