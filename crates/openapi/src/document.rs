//! The whole.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use crate::call::Call;
use crate::schema::{Schema, any, array, integer, literal, object, reference, string};

/// How a family of operations answers.
#[derive(Debug, Clone)]
pub struct Family {
    /// What its paths begin with.
    pub prefix: &'static str,
    /// What a success is, for people.
    pub says: &'static str,
    /// Whether successes stand in Cloudflare's envelope.
    pub in_envelope: bool,
    /// What refusals look like.
    pub error: Schema,
}

impl Family {
    /// Cloudflare's: `/client/v4`, everything in the envelope.
    pub fn cloudflare() -> Self {
        Self {
            prefix: "/client/v4",
            says: "The result, in Cloudflare's envelope.",
            in_envelope: true,
            error: reference("Failure"),
        }
    }

    /// JSON as it is, below no prefix, with refusals like `error`.
    pub fn plain(error: Schema) -> Self {
        Self { prefix: "", says: "The answer.", in_envelope: false, error }
    }

    pub(crate) fn answer(&self, result: Schema, info: Option<Schema>) -> Schema {
        if !self.in_envelope {
            return result;
        }
        let envelope = object()
            .has("success", literal(true))
            .has("errors", array(reference("ApiMessage")))
            .has("messages", array(reference("ApiMessage")))
            .has("result", result);
        match info {
            Some(info) => envelope.has("result_info", info),
            None => envelope,
        }
    }
}

/// Descriptions of operations, and the schemas that they share.
#[derive(Debug)]
pub struct Document {
    /// By path and method, the latter as OpenAPI writes it.
    operations: BTreeMap<(String, String), Value>,
    schemas: BTreeMap<String, Value>,
    tags: Vec<Value>,
    segments: BTreeMap<&'static str, &'static str>,
}

impl Default for Document {
    fn default() -> Self {
        let mut document = Self {
            operations: BTreeMap::new(),
            schemas: BTreeMap::new(),
            tags: Vec::new(),
            segments: BTreeMap::new(),
        };
        document.schema(
            "ApiMessage",
            object()
                .has("code", integer().about("Cloudflare's number."))
                .has("message", string())
                .may("meta", any()),
        );
        document.schema(
            "Failure",
            object()
                .has("success", literal(false))
                .has("errors", array(reference("ApiMessage")))
                .has("messages", array(reference("ApiMessage")))
                .has("result", literal(Value::Null)),
        );
        document.schema(
            "PageInfo",
            object()
                .has("page", integer().about("The page, from 1."))
                .has("per_page", integer().about("Entries of a full page."))
                .has("count", integer().about("Entries of this page."))
                .has("total_count", integer().about("Entries of all pages."))
                .has("total_pages", integer())
                .may("cursor", string().about("Where the next page begins; absent on the last.")),
        );
        document
    }
}

/// Operations that belong together, and answer alike.
pub struct Section<'a> {
    document: &'a mut Document,
    tag: &'static str,
    family: Family,
    /// What variable segments of its paths are, before what the document says of them.
    segments: BTreeMap<&'static str, &'static str>,
    /// Headers that every operation takes which asks for a token, and what they are.
    headers: Vec<(&'static str, &'static str)>,
}

impl Document {
    /// Begins a section.
    pub fn section(&mut self, tag: &'static str, about: &str, family: Family) -> Section<'_> {
        self.tags.push(json!({"name": tag, "description": about}));
        Section { document: self, tag, family, segments: BTreeMap::new(), headers: Vec::new() }
    }

    /// Names a schema, for [`reference`].
    ///
    /// # Panics
    /// When another one has the name.
    pub fn schema(&mut self, name: &str, schema: Schema) {
        let before = self.schemas.insert(name.to_owned(), schema.into());
        assert!(before.is_none(), "two schemas are called {name}");
    }

    /// Says what a variable segment of paths is, in all sections.
    pub fn segment(&mut self, name: &'static str, about: &'static str) {
        self.segments.insert(name, about);
    }

    /// The document with all that is described.
    pub fn whole(&self, version: &str) -> Value {
        self.assembled(version, self.operations.clone())
    }

    /// The document with what is served and nothing else: methods, and paths as tables write them. What is served and not
    /// described is in it, bare.
    pub fn of<'a>(&self, version: &str, served: impl IntoIterator<Item = (&'a Method, &'a str)>) -> Value {
        let mut operations = BTreeMap::new();
        for (method, path) in served {
            let key = key(method, path);
            let described = self.operations.get(&key).cloned();
            operations.insert(key, described.unwrap_or_else(|| json!({"responses": {}})));
        }
        self.assembled(version, operations)
    }

    fn assembled(&self, version: &str, operations: BTreeMap<(String, String), Value>) -> Value {
        let mut paths = Map::new();
        for ((path, method), operation) in operations {
            paths.entry(path).or_insert_with(|| json!({}))[method] = operation;
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Hearth",
                "version": version,
                "summary": "Your own Cloudflare Workers.",
                "description": ABOUT,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/", "description": "The control host."}],
            "security": [{"token": []}],
            "tags": self.tags,
            "paths": paths,
            "components": {
                "schemas": self.schemas,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "An API token. Under `--dev`, local callers need none."},
                },
            },
        })
    }
}

const ABOUT: &str = "Everything that a Hearth server answers on its control host: Cloudflare's API below `/client/v4`, \
    as wrangler, Cloudflare's SDKs and Terraform call it, and the APIs of functions beside it.\n\n\
    Segments of a path are percent-encoded, a slash in a key too. A body is JSON whatever its `Content-Type` says, where \
    not said otherwise.";

/// A path as OpenAPI writes it, which knows no `{*rest}`.
fn key(method: &Method, path: &str) -> (String, String) {
    (path.replace("{*", "{"), method.as_str().to_ascii_lowercase())
}

impl Section<'_> {
    /// Names a schema, for [`reference`].
    pub fn schema(&mut self, name: &str, schema: Schema) {
        self.document.schema(name, schema);
    }

    /// Says what a variable segment of the section's paths is.
    pub fn segment(&mut self, name: &'static str, about: &'static str) {
        self.segments.insert(name, about);
    }

    /// Says that every operation that follows takes a header, which may be absent, if it asks for a token.
    pub fn header(&mut self, name: &'static str, about: &'static str) {
        self.headers.push((name, about));
    }

    /// Adds an operation.
    ///
    /// # Panics
    /// When it is there already, its id is another one's, or a segment of its path was not explained.
    pub fn add(&mut self, mut call: Call) {
        if call.needs_token {
            call = self.headers.iter().fold(call, |call, (name, about)| call.header(name, about));
        }
        let mut parameters = Vec::new();
        for segment in call.segments() {
            let name = segment.trim_start_matches('*');
            let about = self.segments.get(name).or_else(|| self.document.segments.get(name));
            let about = about.unwrap_or_else(|| panic!("nobody says what {{{name}}} of {} is", call.path));
            parameters.push(json!({
                "name": name, "in": "path", "required": true, "description": about, "schema": {"type": "string"},
            }));
        }
        parameters.extend(call.parameters.iter().cloned());
        let mut operation = json!({
            "operationId": call.id(),
            "summary": call.title,
            "tags": [self.tag],
            "responses": call.responses(&self.family),
        });
        if let Some(about) = call.about {
            operation["description"] = json!(about);
        }
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(body) = &call.body {
            operation["requestBody"] = body.clone();
        }
        if !call.needs_token {
            operation["security"] = json!([]);
        }
        let key = key(&call.method, &format!("{}{}", self.family.prefix, call.path));
        let is_new =
            self.document.operations.values().all(|other| other["operationId"] != operation["operationId"]);
        assert!(is_new, "two operations are called {:?}", call.title);
        let before = self.document.operations.insert(key, operation);
        assert!(before.is_none(), "{} {} is described twice", call.method, call.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{get, post};

    fn document() -> Document {
        let mut document = Document::default();
        let mut section = document.section("Things", "Things.", Family::cloudflare());
        section.segment("key", "A thing's key");
        section.add(get("/things", "List things").gives_pages_of(string()));
        section.add(
            get("/things/{*key}", "Fetch a thing").gives_raw("application/octet-stream").without_token(),
        );
        document
    }

    #[test]
    fn what_is_served_and_what_is_described_make_one_document() {
        let document = document();
        let served = [(Method::GET, "/client/v4/things"), (Method::GET, "/client/v4/things/{*key}")];
        let of = |served: &[(Method, &'static str)]| {
            document.of("1", served.iter().map(|(method, path)| (method, *path)))
        };
        assert_eq!(of(&served), document.whole("1"));
        assert_ne!(of(&served[..1]), document.whole("1"), "described, and not served");
        let more = [&served[..], &[(Method::PUT, "/client/v4/things")]].concat();
        assert_ne!(of(&more), document.whole("1"), "served, and not described");
    }

    #[test]
    fn results_stand_in_the_envelope_and_contents_do_not() {
        let whole = document().whole("1");
        let paths = &whole["paths"];
        let list = &paths["/client/v4/things"]["get"];
        let schema = &list["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(schema["required"], json!(["success", "errors", "messages", "result", "result_info"]));
        assert_eq!(list["parameters"][0]["name"], "page");
        let fetch = &paths["/client/v4/things/{key}"]["get"];
        assert_eq!(fetch["security"], json!([]));
        assert!(fetch["responses"]["200"]["content"]["application/octet-stream"].is_object());
        assert_eq!(fetch["responses"]["default"]["description"], list["responses"]["default"]["description"]);
    }

    #[test]
    #[should_panic(expected = "nobody says what {id}")]
    fn a_segment_is_explained() {
        document().section("More", "", Family::cloudflare()).add(get("/more/{id}", "Show more"));
    }

    #[test]
    #[should_panic(expected = "two operations are called")]
    fn ids_are_of_one_operation() {
        document().section("More", "", Family::cloudflare()).add(post("/more", "List things"));
    }
}
