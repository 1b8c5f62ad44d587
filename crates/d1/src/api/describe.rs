//! The endpoints of this folder, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Section, any, array, boolean, delete, get, integer, literal, map, number, object,
    one_of, patch, post, put, reference, string, time,
};

use super::signature;

const DATABASES: &str = "/accounts/{account}/d1/database";
const DATABASE: &str = "/accounts/{account}/d1/database/{database}";

/// Describes the operations, and the signed URLs.
pub fn describe(document: &mut Document) {
    let mut d1 = document.section("D1", "Databases, queries, files, time travel.", Family::cloudflare());
    d1.segment("database", "The database's id or name");
    databases(&mut d1);
    queries(&mut d1);
    files(&mut d1);
    let mut signed = document.section(
        "Files of D1",
        "URLs that an export and an import give: each is good for one file and for a time, and needs no token.",
        Family::plain(string()),
    );
    signed.segment("database", "The database's id");
    signed.segment("filename", "The file's name");
    let signature = |call: hearth_openapi::Call| {
        call.query("expires", string(), "As the URL was given.")
            .query("signature", string(), "As the URL was given.")
            .without_token()
            .refuses_in_text()
    };
    signed.add(signature(
        put(signature::UPLOAD, "Upload D1 file")
            .takes_raw("application/octet-stream", string().bytes())
            .gives_nothing(),
    ));
    signed.add(signature(get(signature::DOWNLOAD, "Download D1 file").gives_raw("application/sql")));
}

fn databases(d1: &mut Section<'_>) {
    let replication = || object().has("mode", one_of(&["auto", "disabled"]));
    let listed = || {
        object()
            .has("uuid", string())
            .has("name", string())
            .has("created_at", time())
            .has("version", string())
            .has("jurisdiction", string().or_null())
    };
    d1.schema("D1Listed", listed());
    let whole = listed()
        .has("file_size", integer().about("Bytes."))
        .has("num_tables", integer())
        .has("read_replication", replication());
    d1.schema("D1Database", whole);
    d1.add(
        get(DATABASES, "List D1 databases")
            .query("name", string(), "Only those whose name has this in it.")
            .gives_pages_of(reference("D1Listed")),
    );
    let new = object()
        .has("name", string())
        .may("jurisdiction", string().or_null())
        .may("primary_location_hint", string().or_null())
        .may("read_replication", replication().or_null());
    d1.add(post(DATABASES, "Create D1 database").takes(new).gives(reference("D1Database")));
    d1.add(
        get(DATABASE, "Show D1 database")
            .query("fields", string(), "Only these members, with commas between.")
            .gives(reference("D1Database")),
    );
    let change = || object().has("read_replication", replication());
    d1.add(patch(DATABASE, "Change D1 database").takes(change()).gives(reference("D1Database")));
    d1.add(put(DATABASE, "Update D1 database").takes(change()).gives(reference("D1Database")));
    d1.add(delete(DATABASE, "Delete D1 database").gives(literal(serde_json::Value::Null)));
}

fn queries(d1: &mut Section<'_>) {
    d1.schema(
        "D1Meta",
        object()
            .has("served_by", string())
            .has("served_by_primary", boolean())
            .has("total_attempts", integer())
            .has("timings", object().has("sql_duration_ms", number()))
            .has("duration", number().about("Milliseconds."))
            .has("changes", integer().about("Rows that were changed."))
            .has("last_row_id", integer())
            .has("changed_db", boolean())
            .has("size_after", integer().about("Bytes."))
            .has("rows_read", integer())
            .has("rows_written", integer()),
    );
    let statement =
        || object().has("sql", string()).may("params", array(any()).about("Bound in their order."));
    let batch = object().has("batch", array(statement()));
    d1.schema("D1Statements", statement().or(batch).about("Several statements are one transaction."));
    let ran = |results| {
        array(object().has("success", literal(true)).has("results", results).has("meta", reference("D1Meta")))
    };
    d1.add(
        post(format!("{DATABASE}/query"), "Query D1")
            .about("One call is one transaction, whatever it holds.")
            .takes(reference("D1Statements"))
            .gives(ran(array(map(any())).about("Rows by their columns' names."))),
    );
    let raw = object().has("columns", array(string())).has("rows", array(array(any())));
    d1.add(post(format!("{DATABASE}/raw"), "Query D1 raw").takes(reference("D1Statements")).gives(ran(raw)));
}

fn files(d1: &mut Section<'_>) {
    let progress = || {
        object()
            .has("success", boolean())
            .has("type", one_of(&["export", "import"]))
            .may("status", one_of(&["active", "complete", "error"]))
            .may(
                "at_bookmark",
                string().or_null().about("With it, the call is made again to hear how it goes on."),
            )
            .may("messages", array(string()))
            .may("error", string())
            .may("errors", array(string()))
    };
    let file = object().has("filename", string()).has("signed_url", string());
    let options =
        object().may("no_schema", boolean()).may("no_data", boolean()).may("tables", array(string()));
    let export = object()
        .has("output_format", one_of(&["polling"]))
        .may("dump_options", options)
        .may("current_bookmark", string().or_null());
    d1.add(
        post(format!("{DATABASE}/export"), "Export D1 database")
            .about("Begins an export, or asks for one that was begun.")
            .takes(export)
            .gives(progress().may("result", file)),
    );
    let action = |name: &str| object().has("action", literal(name));
    let import = action("init")
        .has("etag", string().about("The file's MD5, in hexadecimal."))
        .or(action("ingest").has("filename", string()).has("etag", string()))
        .or(action("poll").has("current_bookmark", string()));
    let meta = object()
        .has("duration", number())
        .has("changes", integer())
        .has("changed_db", boolean())
        .has("rows_read", integer())
        .has("rows_written", integer())
        .has("size_after", integer());
    let imported = object().has("num_queries", integer()).has("final_bookmark", string()).has("meta", meta);
    d1.add(
        post(format!("{DATABASE}/import"), "Import D1 database")
            .takes(import)
            .gives(progress().may("filename", string()).may("upload_url", string()).may("result", imported)),
    );
    d1.add(
        get(format!("{DATABASE}/time_travel/bookmark"), "Show D1 bookmark")
            .query("timestamp", time(), "Of then; of now where absent.")
            .gives(object().has("bookmark", string())),
    );
    let restored =
        object().has("bookmark", string()).has("previous_bookmark", string()).has("message", string());
    d1.add(
        post(format!("{DATABASE}/time_travel/restore"), "Restore D1 database")
            .query("bookmark", string(), "To this one.")
            .query("timestamp", time(), "To how it was then.")
            .gives(restored),
    );
}
