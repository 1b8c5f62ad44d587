//! Multipart bodies as every client sends them (wrangler-api.md 4 and 14).

use bytes::Bytes;
use serde_json::{Map, Value};

use super::bracket;
use crate::error::{ApiError, code};

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The module's name, or the field's.
    pub name: String,
    /// The media type, as it was sent.
    pub media_type: Option<String>,
    /// The content.
    pub content: Bytes,
}

/// A form: one field that is a JSON object, and the other parts in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// The object; from one part, from bracketed fields, or both.
    pub document: Map<String, Value>,
    /// Everything else.
    pub parts: Vec<Part>,
}

impl Form {
    /// Takes a body apart. `field` is the part that holds the JSON object: `metadata` or `settings`.
    ///
    /// The npm SDK sends multipart bodies with a content type that is none, so the body's own first line says the
    /// boundary where the header does not. A body that is a bare script is a form of that one part.
    ///
    /// # Errors
    /// 400 for a body that is cut off, that is no form, or whose field is not a JSON object.
    pub async fn read(content_type: Option<&str>, body: Bytes, field: &str) -> Result<Self, ApiError> {
        let declared = content_type.and_then(|text| multer::parse_boundary(text).ok());
        let Some(boundary) = declared.or_else(|| sniff_boundary(&body)) else {
            return bare_script(content_type, body, field);
        };
        let mut form = Self { document: Map::new(), parts: Vec::new() };
        let stream = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
        let mut multipart = multer::Multipart::new(stream, boundary);
        while let Some(incoming) = multipart.next_field().await.map_err(malformed)? {
            let name = incoming.name().unwrap_or_default().to_owned();
            let file_name = incoming.file_name().map(str::to_owned);
            let media_type = incoming
                .headers()
                .get(http::header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            let content = incoming.bytes().await.map_err(malformed)?;
            if name == field {
                merge(&mut form.document, field, &content)?;
            } else if let Some(keys) = bracket::keys(&name, field) {
                bracket::insert(&mut form.document, &keys, &String::from_utf8_lossy(&content));
            } else {
                form.parts.push(Part { name: module_name(name, file_name)?, media_type, content });
            }
        }
        Ok(form)
    }
}

/// SDKs send modules as `files` or `files[]`, named by their file name.
fn module_name(name: String, file_name: Option<String>) -> Result<String, ApiError> {
    let chosen = match name.as_str() {
        "files" | "files[]" => file_name,
        "" => file_name.or(Some(name)),
        _ => Some(name),
    };
    match chosen.filter(|name| !name.is_empty() && name.len() <= 1024 && !name.contains('\0')) {
        Some(name) => Ok(name),
        None => Err(ApiError::invalid_upload("A part of the upload has no usable name or file name.")),
    }
}

fn merge(document: &mut Map<String, Value>, field: &str, content: &[u8]) -> Result<(), ApiError> {
    match serde_json::from_slice(content) {
        Ok(Value::Object(object)) => {
            document.extend(object);
            Ok(())
        }
        Ok(_) => Err(ApiError::invalid_upload(format!("The part `{field}` must be a JSON object."))),
        Err(error) => {
            Err(ApiError::invalid_upload(format!("The part `{field}` could not be read as JSON: {error}")))
        }
    }
}

/// `PUT` with just a script: modules or service worker, as the content type says.
fn bare_script(content_type: Option<&str>, body: Bytes, field: &str) -> Result<Form, ApiError> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let key = match essence {
        "application/javascript+module" | "text/javascript+module" => "main_module",
        "application/javascript" | "text/javascript" => "body_part",
        _ => {
            return Err(ApiError::bad_request(
                code::BAD_BODY,
                "The body is not multipart/form-data: it does not begin with a boundary, and its content type names none.",
            ));
        }
    };
    if field != "metadata" || body.is_empty() {
        return Err(ApiError::bad_request(code::BAD_BODY, "The body is not multipart/form-data."));
    }
    let name = "worker.js".to_owned();
    let document = Map::from_iter([(key.to_owned(), Value::String(name.clone()))]);
    Ok(Form { document, parts: vec![Part { name, media_type: Some(essence.to_owned()), content: body }] })
}

/// The boundary that a body's first line shows.
fn sniff_boundary(body: &[u8]) -> Option<String> {
    let start = body.strip_prefix(b"\r\n").unwrap_or(body).strip_prefix(b"--")?;
    let end = start.iter().take(72).position(|byte| *byte == b'\r')?;
    let boundary = std::str::from_utf8(&start[..end]).ok()?;
    let legal = !boundary.is_empty() && boundary.bytes().all(|byte| byte.is_ascii_graphic());
    (legal && start[end..].starts_with(b"\r\n")).then(|| boundary.to_owned())
}

fn malformed(error: multer::Error) -> ApiError {
    ApiError::bad_request(
        code::BAD_BODY,
        format!("The multipart body is cut off or malformed: {error}. Nothing was changed."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read(content_type: Option<&str>, body: impl Into<String>) -> Result<Form, ApiError> {
        Form::read(content_type, Bytes::from(body.into()), "metadata").await
    }

    const TYPE: &str = "multipart/form-data; boundary=----b";

    fn part(headers: &str, content: &str) -> String {
        format!("------b\r\nContent-Disposition: form-data; {headers}\r\n\r\n{content}\r\n")
    }

    fn wrangler() -> String {
        part("name=\"metadata\"", "{\"main_module\":\"index.js\"}")
            + &part(
                "name=\"index.js\"; filename=\"index.js\"\r\nContent-Type: application/javascript+module",
                "export default {}",
            )
            + "------b--\r\n"
    }

    #[tokio::test]
    async fn wranglers_form_is_read() {
        let form = read(Some(TYPE), wrangler()).await.unwrap();
        assert_eq!(form.document["main_module"], "index.js");
        assert_eq!(form.parts.len(), 1);
        assert_eq!(form.parts[0].media_type.as_deref(), Some("application/javascript+module"));
        assert_eq!(form.parts[0].content, "export default {}");
    }

    #[tokio::test]
    async fn the_boundary_is_found_where_the_content_type_lies() {
        for content_type in [None, Some("application/javascript"), Some("multipart/form-data")] {
            let form = read(content_type, wrangler()).await.unwrap();
            assert_eq!(form.parts.len(), 1, "{content_type:?}");
        }
    }

    #[tokio::test]
    async fn sdk_fields_are_read_in_any_order() {
        let body = part("name=\"files[]\"; filename=\"a.mjs\"\r\nContent-Type: text/plain", "x")
            + &part("name=\"files\"; filename=\"b.mjs\"", "y")
            + &part("name=\"metadata[main_module]\"", "a.mjs")
            + "------b--\r\n";
        let form = read(Some(TYPE), body).await.unwrap();
        let names: Vec<&str> = form.parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!((names, &form.document["main_module"]), (vec!["a.mjs", "b.mjs"], &Value::from("a.mjs")));
    }

    #[tokio::test]
    async fn a_bare_script_is_a_form_of_one_part() {
        let form = read(Some("application/javascript"), "addEventListener('fetch', 1)").await.unwrap();
        assert_eq!((form.document.contains_key("body_part"), form.parts.len()), (true, 1));
        assert!(read(Some("text/plain"), "hello").await.is_err());
        assert!(read(None, "").await.is_err());
    }

    #[tokio::test]
    async fn every_cut_is_refused() {
        let whole = wrangler();
        for length in 0..whole.len() - "--\r\n".len() {
            assert!(read(Some(TYPE), &whole[..length]).await.is_err(), "cut at {length}");
        }
    }

    #[tokio::test]
    async fn metadata_that_is_no_object_says_so() {
        for (content, reason) in [("{", "JSON"), ("[]", "object"), ("7", "object")] {
            let error =
                read(Some(TYPE), part("name=\"metadata\"", content) + "------b--\r\n").await.unwrap_err();
            assert!(error.message().contains(reason), "{content}: {}", error.message());
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(
            body in prop::collection::vec(any::<u8>(), 0..400),
            content_type in prop::option::of(".{0,60}"),
            from in 0..300_usize, to in 0..300_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _ = runtime.block_on(Form::read(content_type.as_deref(), Bytes::from(body.clone()), "metadata"));
            let whole = wrangler().into_bytes();
            let (from, to) = (from.min(to).min(whole.len()), from.max(to).min(whole.len()));
            let spliced = [&whole[..from], &body, &whole[to..]].concat();
            let _ = runtime.block_on(Form::read(Some(TYPE), Bytes::from(spliced), "metadata"));
        }
    }
}
