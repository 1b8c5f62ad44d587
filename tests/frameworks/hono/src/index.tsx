import { Hono } from "hono";

const app = new Hono();

const Page = ({ children }: { children: unknown }) => (
  <html lang="en">
    <head>
      <title>Hono</title>
      <link rel="stylesheet" href="/style.css" />
    </head>
    <body>
      {children}
      <script type="module" src="/client.js"></script>
    </body>
  </html>
);

app.get("/", (c) =>
  c.html(
    <Page>
      <h1>Hono</h1>
      <a href="/notes/1">A note</a>
      <button id="ask">Ask</button>
      <output id="answer"></output>
    </Page>,
  ),
);

app.get("/notes/:id", (c) =>
  c.html(
    <Page>
      <h1 id="note">Note {c.req.param("id")}</h1>
    </Page>,
  ),
);

app.post("/api/greet", async (c) => {
  const { name } = await c.req.json<{ name: string }>();
  return c.json({ greeting: `Hello, ${name}!` });
});

export default app;
