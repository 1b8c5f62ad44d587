//! Writing a version's modules as a form: what `content/v2` answers.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use hearth_model::{Format, ModuleKind};
use http::header;

use crate::upload::PlannedModule;

/// The modules as `multipart/form-data`, the entry named by `cf-entrypoint`. Source maps are left out: clients that
/// read this upload it again as it is, and wrangler before 4.164 knows no such type.
pub(crate) fn response(format: &Format, modules: &[PlannedModule]) -> Response {
    let boundary = format!("----hearth-{}", uuid::Uuid::new_v4().simple());
    let entry = entry(format);
    let body = write(&boundary, modules);
    let mut response = Body::from(body).into_response();
    let headers = response.headers_mut();
    if let Ok(value) = format!("multipart/form-data; boundary={boundary}").parse() {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Ok(value) = entry.parse() {
        headers.insert("cf-entrypoint", value);
    }
    response
}

/// The name of the entry among the modules.
pub(crate) fn entry(format: &Format) -> &str {
    match format {
        Format::Modules { main } => main,
        Format::ServiceWorker { body } => body,
        Format::Function(function) => &function.main,
        Format::Assets => "",
    }
}

fn write(boundary: &str, modules: &[PlannedModule]) -> Bytes {
    let mut body = BytesMut::new();
    for module in modules.iter().filter(|module| module.kind != ModuleKind::SourceMap) {
        let name = quoted(&module.name);
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {}\r\n\r\n",
            module.kind.media_type()
        );
        body.put_slice(head.as_bytes());
        body.put_slice(&module.content);
        body.put_slice(b"\r\n");
    }
    body.put_slice(format!("--{boundary}--\r\n").as_bytes());
    body.freeze()
}

/// A name inside quotes, escaped as browsers do, so that no name can end its header.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::Form;

    #[tokio::test]
    async fn what_is_written_can_be_read() {
        let module =
            |name: &str, kind| PlannedModule { name: name.into(), kind, content: Bytes::from("a\r\n--b") };
        let modules = [
            module("index.js", ModuleKind::EsModule),
            module("./a \"b\"\r\n.txt", ModuleKind::Text),
            module("index.js.map", ModuleKind::SourceMap),
        ];
        let response = response(&Format::Modules { main: "index.js".into() }, &modules);
        assert_eq!(response.headers()["cf-entrypoint"], "index.js");
        let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
        let form = Form::read(Some(&content_type), body, "metadata").await.unwrap();
        assert_eq!(form.parts.len(), 2);
        assert_eq!(form.parts[0].content, "a\r\n--b");
        assert_eq!(form.parts[1].media_type.as_deref(), Some("text/plain"));
    }
}
