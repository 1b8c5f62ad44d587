"use client";

import { useState } from "react";

export function Ask() {
  const [answer, setAnswer] = useState("");
  async function ask() {
    const response = await fetch("/api/greet", { method: "POST", body: JSON.stringify({ name: "Hearth" }) });
    setAnswer((await response.json()).greeting);
  }
  return (
    <>
      <button id="ask" onClick={ask}>
        Ask
      </button>
      <output id="answer">{answer}</output>
    </>
  );
}
