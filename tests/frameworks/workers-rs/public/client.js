document.querySelector("#ask")?.addEventListener("click", async () => {
  const answer = await fetch("/api/greet", { method: "POST", body: JSON.stringify({ name: "Hearth" }) });
  document.querySelector("#answer").textContent = (await answer.json()).greeting;
});
