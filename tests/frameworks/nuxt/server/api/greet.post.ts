export default defineEventHandler(async (event) => {
  const { name } = await readBody<{ name: string }>(event);
  return { greeting: `Hello, ${name}!` };
});
