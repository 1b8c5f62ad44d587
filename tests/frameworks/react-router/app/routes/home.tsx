import { Link, useFetcher } from "react-router";

export default function Home() {
  const greeting = useFetcher<{ greeting: string }>();
  return (
    <>
      <h1>React Router</h1>
      <Link to="/notes/1">A note</Link>
      <greeting.Form method="post" action="/api/greet">
        <input type="hidden" name="name" value="Hearth" />
        <button id="ask">Ask</button>
      </greeting.Form>
      <output id="answer">{greeting.data?.greeting}</output>
    </>
  );
}
