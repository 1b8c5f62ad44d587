export default async function Note({ params }) {
  const { id } = await params;
  return <h1 id="note">Note {id}</h1>;
}
