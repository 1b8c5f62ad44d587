//! The template gallery: `GET /api/templates`, `GET /api/templates/:id`, and `POST /api/templates/:id/deploy`, which makes
//! a worker of one by the calls that wrangler would make. `hearth init` writes the same files.

mod describe;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::State as FromState;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use hearth_api::{Api, ApiError, Caller, Operation, PREFIX, code, read};
use hearth_model::WorkerName;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fields::{Fields, bad};
use crate::project::{self, Calls, File, Project};
use crate::session::{Session, Tongue, refused_as};

pub use describe::describe;

/// Where a template's files say the worker's name.
const NAME: &str = "{{name}}";

/// A project to begin with.
#[derive(Debug)]
pub struct Template {
    /// How it is named in commands and paths.
    pub id: &'static str,
    /// How it is named to people.
    pub title: &'static str,
    /// What it does.
    pub description: &'static str,
    /// Its files, `wrangler.jsonc` first.
    files: &'static [(&'static str, &'static str)],
    /// What is deployed where `main` has to be compiled; not part of the project.
    compiled: Option<(&'static str, &'static str)>,
}

macro_rules! files {
    ($folder:literal: $($path:literal),+) => {
        &[$(($path, include_str!(concat!("../../../templates/", $folder, "/", $path)))),+]
    };
}

/// All templates.
pub const ALL: [Template; 6] = [
    Template {
        id: "hello-world",
        title: "Hello World",
        description: "Answers every request.",
        files: files!("hello-world": "wrangler.jsonc", "src/index.js"),
        compiled: None,
    },
    Template {
        id: "typescript",
        title: "TypeScript",
        description: "Answers in JSON, in TypeScript, with a variable.",
        files: files!("typescript": "wrangler.jsonc", "src/index.ts", "tsconfig.json"),
        compiled: Some(("src/index.ts", include_str!("../../../templates/typescript/src/index.js"))),
    },
    Template {
        id: "scheduled",
        title: "Scheduled Worker",
        description: "Runs every five minutes and says when it last did.",
        files: files!("scheduled": "wrangler.jsonc", "src/index.js"),
        compiled: None,
    },
    Template {
        id: "queue-consumer",
        title: "Queue Consumer",
        description: "Puts what is POSTed into a queue, and consumes it.",
        files: files!("queue-consumer": "wrangler.jsonc", "src/index.js"),
        compiled: None,
    },
    Template {
        id: "api-gateway",
        title: "API gateway",
        description: "Sends paths on to the services that a variable names.",
        files: files!("api-gateway": "wrangler.jsonc", "src/index.js"),
        compiled: None,
    },
    Template {
        id: "static-site",
        title: "Static site",
        description: "Serves a page and its style.",
        files: files!("static-site": "wrangler.jsonc", "src/index.js", "src/index.html", "src/style.css.txt"),
        compiled: None,
    },
];

impl Template {
    /// A template by its id.
    pub fn find(id: &str) -> Option<&'static Self> {
        static TEMPLATES: [Template; 6] = ALL;
        TEMPLATES.iter().find(|template| template.id == id)
    }

    /// Its files, for a worker of this name.
    pub fn files(&self, name: &str) -> Vec<(&'static str, String)> {
        self.files.iter().map(|(path, text)| (*path, text.replace(NAME, name))).collect()
    }

    /// It as a project that can be deployed as it is.
    fn project(&self, name: &str) -> Result<Project, String> {
        let mut files = self.files(name);
        let mut config = files.remove(0).1;
        let mut files: Vec<File> =
            files.into_iter().map(|(path, text)| (path.to_owned(), Bytes::from(text))).collect();
        if let Some((source, compiled)) = self.compiled {
            let path = source.replace(".ts", ".js");
            config = config.replace(source, &path);
            files.push((path, Bytes::from_static(compiled.as_bytes())));
        }
        Project::read(&config, &files)
    }

    fn view(&self) -> Value {
        let files: Vec<&str> = self.files.iter().map(|(path, _)| *path).collect();
        json!({"id": self.id, "title": self.title, "description": self.description, "files": files})
    }
}

struct Gallery;

impl Tongue for Gallery {
    fn refuse(error: &ApiError, _: Option<&str>) -> Response {
        (error.status(), Json(json!({"error": error.message()}))).into_response()
    }
}

#[derive(Clone)]
struct State {
    api: Api,
    /// Cloudflare's API, which makes what a template needs.
    v4: Router,
}

/// The gallery's operations, with whole paths. `v4` is Cloudflare's API as a router.
pub fn operations(api: Api, v4: Router) -> Vec<Operation> {
    let state = &State { api, v4 };
    let all = vec![
        Operation::new(Method::GET, "/api/templates", list, state),
        Operation::new(Method::GET, "/api/templates/{id}", show, state),
        Operation::new(Method::POST, "/api/templates/{id}/deploy", deploy, state),
    ];
    all.into_iter().map(|operation| operation.refused_as(refused_as::<Gallery>)).collect()
}

async fn list(_: Session<Gallery>) -> Response {
    let templates: Vec<Value> = ALL.iter().map(Template::view).collect();
    Json(json!({"total": templates.len(), "templates": templates})).into_response()
}

async fn show(call: Session<Gallery>) -> Response {
    match find(&call) {
        Ok(template) => {
            let mut view = template.view();
            let content = template.files(template.id).into_iter();
            view["content"] = content.map(|(path, text)| (path.to_owned(), Value::String(text))).collect();
            Json(view).into_response()
        }
        Err(error) => call.refuse(&error),
    }
}

/// `{name}`: the worker to make. One that is there already is not touched.
async fn deploy(FromState(state): FromState<State>, call: Session<Gallery>, body: Body) -> Response {
    let deployed = async {
        let template = find(&call)?;
        let mut fields = Fields::read(body, 1 << 20).await?;
        let name: WorkerName = fields
            .required("name")?
            .parse()
            .map_err(|error: hearth_model::IdError| bad(format!("`name`: {error}")))?;
        fields.end()?;
        if state.api.find_of(&call.account, hearth_model::Dialect::Workers, &name).await?.is_some() {
            let text = format!("The worker `{name}` exists already.");
            return Err(ApiError::new(StatusCode::CONFLICT, code::BAD_WORKER_NAME, text));
        }
        let project = template.project(name.as_str()).map_err(ApiError::internal)?;
        let calls = Inside { v4: state.v4, caller: call.caller.clone() };
        let served = project::deploy(&project, &calls, call.account.id.as_str()).await;
        let served = served.map_err(|(status, text)| {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            ApiError::new(status, code::INVALID_UPLOAD, text)
        })?;
        Ok(json!({"name": name, "template": template.id, "url": served["url"]}))
    };
    match deployed.await {
        Ok(made) => (StatusCode::CREATED, Json(made)).into_response(),
        Err(error) => call.refuse(&error),
    }
}

fn find(call: &Session<Gallery>) -> Result<&'static Template, ApiError> {
    let id = call.param("id");
    Template::find(id).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|template| template.id).collect();
        let text = format!("There is no template {id:?}; there are {}.", known.join(", "));
        ApiError::not_found(code::BAD_IDENTIFIER, text)
    })
}

/// Calls of the API that do not leave this process, made by whoever asks for them.
struct Inside {
    v4: Router,
    caller: Caller,
}

#[async_trait]
impl Calls for Inside {
    async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Value, (u16, String)> {
        let broken = |text: String| (500, text);
        let mut request = Request::builder().method(method).uri(format!("{PREFIX}{path}"));
        request = request.extension(self.caller.clone());
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let request = request.body(Body::from(body)).map_err(|error| broken(error.to_string()))?;
        let response = match self.v4.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let bytes =
            read(response.into_body(), 16 << 20).await.map_err(|error| broken(error.message().to_owned()))?;
        let envelope: Value = serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        match envelope["success"] {
            Value::Bool(true) => Ok(envelope["result"].clone()),
            _ => Err((status, envelope["errors"][0]["message"].as_str().unwrap_or_default().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_a_project_of_its_name() {
        for template in &ALL {
            let project =
                template.project("my-worker").unwrap_or_else(|error| panic!("{}: {error}", template.id));
            assert_eq!(project.name(), "my-worker", "{}", template.id);
            let rest = template.files("my-worker").into_iter().any(|(_, text)| text.contains(NAME));
            assert!(!rest, "{}", template.id);
            assert!(Template::find(template.id).is_some());
        }
        assert!(Template::find("none").is_none());
    }
}
