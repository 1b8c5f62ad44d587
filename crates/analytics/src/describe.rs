//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{Document, Family, any, array, get, integer, map, object, post, string};

/// Describes the operations.
pub fn describe(document: &mut Document) {
    const SQL: &str = "/accounts/{account}/analytics_engine/sql";
    let about = "Data points of Analytics Engine, in SQL.";
    let mut section = document.section("Analytics Engine", about, Family::cloudflare());
    let column = object().has("name", string()).has("type", string());
    let answer = object()
        .has("meta", array(column))
        .has("data", array(map(any())))
        .has("rows", integer())
        .has("rows_before_limit_at_least", integer())
        .open();
    let about = "The answer is JSON unless `FORMAT` says otherwise. What is wrong with a query is said in plain text.";
    section.add(
        post(SQL, "Query data points")
            .about(about)
            .takes_raw("text/plain", string().about("The query."))
            .gives_bare(answer.clone())
            .refuses_in_text(),
    );
    section.add(
        get(SQL, "Fetch data points")
            .about(about)
            .query("query", string(), "The query.")
            .gives_bare(answer)
            .refuses_in_text(),
    );
}
