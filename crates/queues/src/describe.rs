//! The REST endpoints of `api/`, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Schema, Section, any, array, boolean, delete, get, integer, literal, map, number,
    object, one_of, patch, post, put, reference, string, time,
};

const QUEUES: &str = "/accounts/{account}/queues";
const QUEUE: &str = "/accounts/{account}/queues/{queue}";

fn below(rest: &str) -> String {
    format!("{QUEUE}/{rest}")
}

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "Queues, their consumers and messages, and what is told to them.";
    let mut queues = document.section("Queues", about, Family::cloudflare());
    queues.segment("queue", "The queue's id");
    queues.segment("consumer", "The consumer's id");
    queues.segment("subscription", "The subscription's id");
    consumers(&mut queues);
    themselves(&mut queues);
    messages(&mut queues);
    subscriptions(&mut queues);
}

fn null() -> Schema {
    literal(serde_json::Value::Null)
}

fn consumers(queues: &mut Section<'_>) {
    let settings = object()
        .has("batch_size", integer())
        .has("max_retries", integer())
        .has("retry_delay", integer().about("Seconds."))
        .may("max_wait_time_ms", integer())
        .may("max_concurrency", integer().or_null())
        .may("visibility_timeout_ms", integer());
    queues.schema(
        "QueueConsumer",
        object()
            .has("consumer_id", string())
            .has("created_on", time())
            .has("queue_name", string())
            .has("type", one_of(&["worker", "http_pull"]))
            .has("settings", settings)
            .may("script", string())
            .may("script_name", string())
            .may("dead_letter_queue", string()),
    );
    let limit = || number().or_null();
    let settings = object()
        .may("batch_size", limit())
        .may("max_retries", limit())
        .may("max_wait_time_ms", limit())
        .may("max_concurrency", limit())
        .may("retry_delay", limit())
        .may("visibility_timeout_ms", limit());
    let wanted = || {
        object()
            .may("type", one_of(&["worker", "http_pull"]).or_null())
            .may("script_name", string().or_null())
            .may("dead_letter_queue", string().or_null())
            .may("settings", settings.clone().or_null())
    };
    let consumer = || reference("QueueConsumer");
    queues.add(get(below("consumers"), "List queue consumers").gives(array(consumer())));
    queues.add(post(below("consumers"), "Create queue consumer").takes(wanted()).gives(consumer()));
    const ONE: &str = "consumers/{consumer}";
    queues.add(get(below(ONE), "Show queue consumer").gives(consumer()));
    queues.add(put(below(ONE), "Change queue consumer").takes(wanted()).gives(consumer()));
    queues.add(delete(below(ONE), "Delete queue consumer").gives(null()));
}

fn themselves(queues: &mut Section<'_>) {
    let producer = object()
        .has("type", one_of(&["worker", "r2_bucket"]))
        .may("script", string())
        .may("service", string())
        .may("bucket_name", string());
    let settings = object()
        .has("delivery_delay", integer().about("Seconds."))
        .has("delivery_paused", boolean())
        .has("message_retention_period", integer().about("Seconds."));
    queues.schema(
        "Queue",
        object()
            .has("queue_id", string())
            .has("queue_name", string())
            .has("created_on", time())
            .has("modified_on", time())
            .has("producers_total_count", integer())
            .has("producers", array(producer))
            .has("consumers_total_count", integer())
            .has("consumers", array(reference("QueueConsumer")))
            .has("settings", settings)
            .may("jurisdiction", string()),
    );
    let settings = || {
        object()
            .may("delivery_delay", number().or_null())
            .may("delivery_paused", boolean().or_null())
            .may("message_retention_period", number().or_null())
            .or_null()
    };
    let new = object()
        .has("queue_name", string())
        .may("settings", settings())
        .may("jurisdiction", string().or_null());
    let change = || object().may("queue_name", string().or_null()).may("settings", settings());
    let queue = || reference("Queue");
    queues.add(
        get(QUEUES, "List queues")
            .query("name", string(), "Only the one of this name; may be there several times.")
            .gives_pages_of(queue()),
    );
    queues.add(post(QUEUES, "Create queue").takes(new).gives(queue()));
    queues.add(get(QUEUE, "Show queue").gives(queue()));
    queues.add(put(QUEUE, "Update queue").takes(change()).gives(queue()));
    queues.add(patch(QUEUE, "Change queue").takes(change()).gives(queue()));
    queues.add(delete(QUEUE, "Delete queue").about("One that no worker binds.").gives(null()));
    queues.schema(
        "QueueMetrics",
        object().has("backlog_count", integer()).has("backlog_bytes", integer()).has(
            "oldest_message_timestamp_ms",
            integer().about("Milliseconds since 1970; 0 when there is none."),
        ),
    );
    queues.add(get(below("metrics"), "Show queue metrics").gives(reference("QueueMetrics")));
    queues.add(
        post(below("purge"), "Purge queue")
            .takes(object().has("delete_messages_permanently", literal(true)))
            .gives(queue()),
    );
    let purged = object().has("completed", string()).has("started_at", time().or_null());
    queues.add(get(below("purge"), "Show queue purge").gives(purged));
}

fn messages(queues: &mut Section<'_>) {
    let pushed = object()
        .has("body", any())
        .may(
            "content_type",
            one_of(&["json", "text", "bytes"]).or_null().about("`bytes` are sent as base64."),
        )
        .may("delay_seconds", number().or_null());
    queues.schema("QueueMessage", pushed);
    let metrics = || object().has("metrics", reference("QueueMetrics"));
    queues.schema("QueueSent", object().has("metadata", metrics()));
    queues.add(
        post(below("messages"), "Send message")
            .takes(reference("QueueMessage"))
            .gives(reference("QueueSent")),
    );
    let batch =
        object().has("messages", array(reference("QueueMessage"))).may("delay_seconds", number().or_null());
    queues.add(post(below("messages/batch"), "Send messages").takes(batch).gives(reference("QueueSent")));
    let seen = || {
        object()
            .has("id", string())
            .has("body", string().about("Text as it is, anything else in base64."))
            .has("timestamp_ms", integer())
            .has("attempts", integer())
            .has("metadata", object().has("CF-Content-Type", one_of(&["json", "text", "bytes", "v8"])))
    };
    let pull =
        object().may("batch_size", number().or_null()).may("visibility_timeout_ms", number().or_null());
    let pulled = object()
        .has("messages", array(seen().has("lease_id", string())))
        .has("message_backlog_count", integer())
        .has("metadata", metrics());
    queues.add(
        post(below("messages/pull"), "Pull messages")
            .about("Of a queue with a consumer of the type `http_pull`.")
            .may_take(pull)
            .gives(pulled),
    );
    let lease = || object().has("lease_id", string());
    let settled = object()
        .may("acks", array(lease()))
        .may("retries", array(lease().may("delay_seconds", number().or_null())));
    let acknowledged = object()
        .has("ackCount", integer())
        .has("retryCount", integer())
        .has("warnings", map(string()).about("By lease, what became of none."));
    queues.add(post(below("messages/ack"), "Acknowledge messages").takes(settled).gives(acknowledged));
    let peeked = || object().has("messages", array(seen().has("ref", string())));
    let peek = || object().may("batch_size", number().or_null());
    queues.add(post(below("messages/peek"), "Peek messages").may_take(peek()).gives(peeked()));
    queues.add(post(below("messages/preview"), "Preview messages").may_take(peek()).gives(peeked()));
    let refs = object().has("refs", array(object().has("ref", string())));
    queues.add(
        post(below("messages/purge"), "Purge messages")
            .about("Deletes messages that were looked at.")
            .takes(refs)
            .gives(object().has("errors", array(any())).has("warnings", map(string()))),
    );
}

fn subscriptions(queues: &mut Section<'_>) {
    const ALL: &str = "/accounts/{account}/event_subscriptions/subscriptions";
    const ONE: &str = "/accounts/{account}/event_subscriptions/subscriptions/{subscription}";
    let source = || object().has("type", string()).open();
    let destination = || object().has("queue_id", string()).may("type", string());
    queues.schema(
        "Subscription",
        object()
            .has("id", string())
            .has("name", string())
            .has("enabled", boolean())
            .has("source", source())
            .has("destination", destination())
            .has("events", array(string()))
            .has("created_at", time())
            .has("modified_at", time()),
    );
    let subscription = || reference("Subscription");
    queues.add(
        get(ALL, "List subscriptions")
            .query("queue_id", string(), "Only those of this queue.")
            .gives_pages_of(subscription()),
    );
    let new = object()
        .has("name", string())
        .has("source", source())
        .has("destination", destination())
        .has("events", array(string()))
        .may("enabled", boolean().or_null());
    queues.add(post(ALL, "Create subscription").takes(new).gives(subscription()));
    queues.add(get(ONE, "Show subscription").gives(subscription()));
    let change = object()
        .may("name", string().or_null())
        .may("enabled", boolean().or_null())
        .may("destination", destination().or_null())
        .may("events", array(string()).or_null());
    queues.add(patch(ONE, "Change subscription").takes(change).gives(subscription()));
    queues.add(delete(ONE, "Delete subscription").gives(subscription()));
}
