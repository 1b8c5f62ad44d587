import { useLoaderData } from "react-router";

export function loader({ params }: { params: { id: string } }) {
  return { id: params.id };
}

export default function Note() {
  const { id } = useLoaderData<typeof loader>();
  return <h1 id="note">Note {id}</h1>;
}
