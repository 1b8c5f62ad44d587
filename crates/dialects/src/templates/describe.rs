//! The gallery's endpoints, for the OpenAPI document.

use hearth_api::{ABOUT_ACCOUNT_HEADER, ACCOUNT_HEADER};
use hearth_openapi::{Document, Family, array, get, integer, map, object, post, reference, string};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let family = Family::plain(reference("TemplateRefusal"));
    let mut templates = document.section("Templates", "Workers to begin with.", family);
    templates.header(ACCOUNT_HEADER, ABOUT_ACCOUNT_HEADER);
    templates.schema("TemplateRefusal", object().has("error", string()));
    templates.segment("id", "A function's or a template's id");
    let shown = || {
        let texts = |about| array(string()).about(about);
        let shown = object().has("id", string()).has("title", string()).has("description", string());
        shown.has("files", texts("Paths in the project; `wrangler.jsonc` is the first one."))
    };
    templates.schema("Template", shown());
    templates.schema(
        "TemplateWithFiles",
        shown().has("content", map(string()).about("The files' texts by their paths.")),
    );
    let list = object().has("total", integer()).has("templates", array(reference("Template")));
    templates.add(get("/api/templates", "List templates").gives(list));
    templates.add(get("/api/templates/{id}", "Show template").gives(reference("TemplateWithFiles")));
    let made = object()
        .has("name", string())
        .has("template", string())
        .has("url", string().or_null().about("Where the worker is served."));
    templates.add(
        post("/api/templates/{id}/deploy", "Deploy template")
            .about("Makes a worker of it. One of this name that is there already is not touched: 409.")
            .takes(object().has("name", string().about("The worker to make.")))
            .creates()
            .gives(made),
    );
}
