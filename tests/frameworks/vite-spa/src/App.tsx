import { useState } from "react";

/** Its own router: the server gives index.html for any path that a browser navigates to. */
export function App() {
  const note = location.pathname.match(/^\/notes\/(\w+)$/);
  return note ? <h1 id="note">Note {note[1]}</h1> : <Home />;
}

function Home() {
  const [answer, setAnswer] = useState("");
  async function ask() {
    const response = await fetch("/api/greet", { method: "POST", body: JSON.stringify({ name: "Hearth" }) });
    setAnswer((await response.json()).greeting);
  }
  return (
    <>
      <h1>Vite SPA</h1>
      <a href="/notes/1">A note</a>
      <button id="ask" onClick={ask}>
        Ask
      </button>
      <output id="answer">{answer}</output>
    </>
  );
}
