use serde::{Deserialize, Serialize};
use worker::{event, Context, Env, Request, Response, Result, Router};

#[derive(Deserialize)]
struct Greet {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

#[event(fetch)]
async fn main(request: Request, env: Env, _context: Context) -> Result<Response> {
    Router::new()
        .get("/", |_, _| {
            page(
                "<h1>workers-rs</h1><a href=\"/notes/1\">A note</a><button id=\"ask\">Ask</button><output id=\"answer\"></output>",
            )
        })
        .get("/notes/:id", |_, context| {
            let id = context.param("id").map_or("", String::as_str);
            page(&format!("<h1 id=\"note\">Note {id}</h1>"))
        })
        .post_async("/api/greet", |mut request, _| async move {
            let Greet { name } = request.json().await?;
            Response::from_json(&Greeting { greeting: format!("Hello, {name}!") })
        })
        .run(request, env)
        .await
}

fn page(body: &str) -> Result<Response> {
    Response::from_html(format!(
        "<!doctype html><title>workers-rs</title><link rel=\"stylesheet\" href=\"/style.css\">{body}\
         <script type=\"module\" src=\"/client.js\"></script>"
    ))
}
