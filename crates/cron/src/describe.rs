//! The endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{Document, Family, array, get, integer, number, object, post, reference, string, time};

use crate::api::PATH;

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "A worker's scheduled runs.";
    let mut section = document.section("Scheduled runs", about, Family::cloudflare());
    section.schema(
        "ScheduledRun",
        object()
            .has("cron", string())
            .has("scheduled_time", time())
            .has("started_on", time())
            .has("duration_ms", number())
            .has("outcome", string().about("`ok`, or why not."))
            .has("error", string().or_null()),
    );
    section.add(
        get(PATH, "List scheduled runs")
            .about("The latest, newest first.")
            .gives(array(reference("ScheduledRun"))),
    );
    let wanted = object()
        .may("cron", string().or_null().about("What the handler sees; the worker's first one where absent."))
        .may("scheduledTime", integer().or_null().about("Milliseconds since 1970; now where absent."));
    section.add(
        post(PATH, "Run scheduled handler")
            .about("Runs it now, and answers when it has ended.")
            .may_take(wanted)
            .gives(reference("ScheduledRun")),
    );
}
