//! One operation.

use http::Method;
use serde_json::{Map, Value, json};

use crate::schema::{Schema, integer, string};

/// What an operation is sent and what it gives.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) method: Method,
    /// As tables of operations write it; below the section's prefix.
    pub(crate) path: String,
    pub(crate) title: &'static str,
    pub(crate) about: Option<&'static str>,
    pub(crate) parameters: Vec<Value>,
    pub(crate) body: Option<Value>,
    pub(crate) gives: Gives,
    /// Of a list's pages.
    pub(crate) info: Option<Schema>,
    pub(crate) status: u16,
    pub(crate) needs_token: bool,
    /// What else a success may be, by its status.
    pub(crate) others: Vec<(u16, Schema)>,
    /// Whether it may give a part of its content, with 206.
    pub(crate) gives_parts: bool,
    /// Whether refusals are text, whatever the section's are.
    pub(crate) refuses_in_text: bool,
    /// Whether refusals are pages.
    pub(crate) refuses_by_page: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Gives {
    /// In the envelope of the section, if it has one.
    Json(Schema),
    /// JSON as it is.
    Bare(Schema),
    /// Something else, of one of these media types.
    Raw(Vec<&'static str>),
    /// No body.
    Nothing,
    /// Another protocol.
    Upgrade,
    /// Leads elsewhere, for a browser.
    Redirect,
    /// An error, whatever is sent.
    Error,
}

fn call(method: Method, path: impl Into<String>, title: &'static str) -> Call {
    Call {
        method,
        path: path.into(),
        title,
        about: None,
        parameters: Vec::new(),
        body: None,
        gives: Gives::Json(crate::schema::any()),
        info: None,
        status: 200,
        needs_token: true,
        others: Vec::new(),
        gives_parts: false,
        refuses_in_text: false,
        refuses_by_page: false,
    }
}

/// A `GET`. The title is a short sentence that no other operation has: the operation's id is made of it.
pub fn get(path: impl Into<String>, title: &'static str) -> Call {
    call(Method::GET, path, title)
}

/// A `POST`.
pub fn post(path: impl Into<String>, title: &'static str) -> Call {
    call(Method::POST, path, title)
}

/// A `PUT`.
pub fn put(path: impl Into<String>, title: &'static str) -> Call {
    call(Method::PUT, path, title)
}

/// A `PATCH`.
pub fn patch(path: impl Into<String>, title: &'static str) -> Call {
    call(Method::PATCH, path, title)
}

/// A `DELETE`.
pub fn delete(path: impl Into<String>, title: &'static str) -> Call {
    call(Method::DELETE, path, title)
}

impl Call {
    /// Says more than the title.
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = Some(text);
        self
    }

    fn parameter(mut self, place: &str, name: &str, schema: Schema, about: &str) -> Self {
        let schema = Value::from(schema);
        self.parameters.push(json!({"name": name, "in": place, "description": about, "schema": schema}));
        self
    }

    /// Takes a parameter in the query string, which may be absent.
    pub fn query(self, name: &str, schema: Schema, about: &str) -> Self {
        self.parameter("query", name, schema, about)
    }

    /// Takes a header, which may be absent.
    pub fn header(self, name: &str, about: &str) -> Self {
        self.parameter("header", name, string(), about)
    }

    /// Takes JSON.
    pub fn takes(mut self, schema: Schema) -> Self {
        self.body =
            Some(json!({"required": true, "content": {"application/json": {"schema": Value::from(schema)}}}));
        self
    }

    /// Takes JSON, or nothing.
    pub fn may_take(mut self, schema: Schema) -> Self {
        self.body = Some(
            json!({"required": false, "content": {"application/json": {"schema": Value::from(schema)}}}),
        );
        self
    }

    /// Takes a body of another media type, instead of what was said before or as another choice.
    pub fn takes_raw(mut self, media: &str, schema: Schema) -> Self {
        let body = self.body.get_or_insert_with(|| json!({"required": true, "content": {}}));
        body["content"][media] = json!({"schema": Value::from(schema)});
        self
    }

    /// Gives this, in the envelope if the section has one.
    pub fn gives(mut self, schema: Schema) -> Self {
        self.gives = Gives::Json(schema);
        self
    }

    /// Gives one page of a list of these.
    pub fn gives_pages_of(self, items: Schema) -> Self {
        self.paged().gives(crate::schema::array(items))
    }

    /// Takes a page, and says in `result_info` which one it gave.
    pub fn paged(self) -> Self {
        self.query("page", integer(), "The page, from 1.")
            .query("per_page", integer(), "Entries of a page, at most 1000.")
            .query("cursor", string(), "Where to go on: `result_info.cursor` of the page before.")
            .info(crate::schema::reference("PageInfo"))
    }

    /// Gives such a `result_info` beside the result.
    pub fn info(mut self, schema: Schema) -> Self {
        self.info = Some(schema);
        self
    }

    /// Gives JSON that stands in no envelope though the section has one.
    pub fn gives_bare(mut self, schema: Schema) -> Self {
        self.gives = Gives::Bare(schema);
        self
    }

    /// Gives a body of another media type, or of one more; `*/*` is any.
    pub fn gives_raw(mut self, media: &'static str) -> Self {
        match &mut self.gives {
            Gives::Raw(others) => others.push(media),
            other => *other = Gives::Raw(vec![media]),
        }
        self
    }

    /// Gives no body.
    pub fn gives_nothing(mut self) -> Self {
        self.gives = Gives::Nothing;
        self
    }

    /// Gives a part of the content, with 206, where `Range` asks for one.
    pub fn or_parts(mut self) -> Self {
        self.gives_parts = true;
        self.header("range", "Which bytes.")
    }

    /// Says in plain text what is wrong.
    pub fn refuses_in_text(mut self) -> Self {
        self.refuses_in_text = true;
        self
    }

    /// Becomes a WebSocket.
    pub fn upgrades(mut self) -> Self {
        self.gives = Gives::Upgrade;
        self
    }

    /// Leads elsewhere, with 303; refusals are pages.
    pub fn redirects(mut self) -> Self {
        self.gives = Gives::Redirect;
        self.refuses_by_page = true;
        self
    }

    /// Gives a page for people, or leads elsewhere; refusals are pages too.
    pub fn gives_page(mut self) -> Self {
        self.gives = Gives::Raw(vec!["text/html"]);
        self.refuses_by_page = true;
        self
    }

    /// Gives nothing but errors: what Cloudflare has and this server refuses by name.
    pub fn only_refuses(mut self) -> Self {
        self.gives = Gives::Error;
        self
    }

    /// Gives this with another status, in the envelope if the section has one.
    pub fn or_gives(mut self, status: u16, schema: Schema) -> Self {
        self.others.push((status, schema));
        self
    }

    /// Answers 201.
    pub fn creates(mut self) -> Self {
        self.status = 201;
        self
    }

    /// Asks for no token.
    pub fn without_token(mut self) -> Self {
        self.needs_token = false;
        self
    }

    /// The id, made of the title: `List workers` is `listWorkers`.
    pub(crate) fn id(&self) -> String {
        let words = self.title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let mut id = String::new();
        for (index, word) in words.enumerate() {
            let mut letters = word.chars();
            let first = letters.next().unwrap_or_default();
            id.push(if index == 0 { first.to_ascii_lowercase() } else { first.to_ascii_uppercase() });
            id.push_str(letters.as_str());
        }
        id
    }

    /// The variable segments of the path, in their order.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    pub(crate) fn responses(&self, family: &crate::Family) -> Value {
        let mut responses = Map::new();
        let content = match &self.gives {
            Gives::Json(schema) => {
                let schema = family.answer(schema.clone(), self.info.clone());
                Some((family.says, json!({"application/json": {"schema": Value::from(schema)}})))
            }
            Gives::Bare(schema) => {
                let schema = Value::from(schema.clone());
                Some(("The answer, in no envelope.", json!({"application/json": {"schema": schema}})))
            }
            Gives::Raw(media) => {
                let bytes = json!({"schema": Value::from(string().bytes())});
                let each = media.iter().map(|media| ((*media).to_owned(), bytes.clone()));
                Some(("The content.", Value::Object(each.collect())))
            }
            Gives::Nothing | Gives::Upgrade | Gives::Redirect | Gives::Error => None,
        };
        match content {
            Some((about, content)) => {
                if self.gives_parts {
                    responses.insert(
                        "206".to_owned(),
                        json!({"description": "A part of it.", "content": content}),
                    );
                }
                responses.insert(self.status.to_string(), json!({"description": about, "content": content}));
            }
            None => {
                let (status, about) = match self.gives {
                    Gives::Nothing => (200, "Done."),
                    Gives::Upgrade => (101, "A WebSocket."),
                    Gives::Redirect => (303, "Elsewhere, as `Location` says."),
                    _ => (0, ""),
                };
                if status > 0 {
                    responses.insert(status.to_string(), json!({"description": about}));
                }
            }
        }
        for (status, schema) in &self.others {
            let content =
                json!({"application/json": {"schema": Value::from(family.answer(schema.clone(), None))}});
            responses.insert(status.to_string(), json!({"description": family.says, "content": content}));
        }
        let mut error = json!({});
        if self.refuses_by_page {
            error["text/html"] = json!({"schema": Value::from(string())});
        }
        if self.refuses_in_text {
            error["text/plain"] = json!({"schema": Value::from(string())});
        }
        // Whoever may not call at all is told so as everywhere in the family.
        if !(self.refuses_in_text || self.refuses_by_page) || self.needs_token {
            error["application/json"] = json!({"schema": Value::from(family.error.clone())});
        }
        let default = json!({"description": "A refusal, which says what is wrong.", "content": error});
        responses.insert("default".to_owned(), default);
        Value::Object(responses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_title_without_spaces() {
        assert_eq!(get("/", "List a queue's consumers").id(), "listAQueueSConsumers");
        assert_eq!(get("/", "Show D1 databases").id(), "showD1Databases");
    }

    #[test]
    fn what_varies_in_a_path_is_found() {
        assert_eq!(get("/a/{b}/c/{*d}", "x").segments().collect::<Vec<_>>(), ["b", "*d"]);
    }
}
