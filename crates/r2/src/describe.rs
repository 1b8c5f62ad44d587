//! The REST endpoints of `api.rs`, for the OpenAPI document.

use hearth_openapi::{
    Call, Document, Family, Section, any, array, boolean, delete, get, integer, map, object, one_of, patch,
    post, put, reference, string, time,
};

const BUCKET: &str = "/accounts/{account}/r2/buckets/{bucket}";

fn below(rest: &str) -> String {
    format!("{BUCKET}/{rest}")
}

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "Buckets, their objects and rules. S3 clients talk to another listener.";
    let mut r2 = document.section("R2", about, Family::cloudflare());
    r2.segment("bucket", "The bucket's name");
    r2.segment("key", "The object's key, percent-encoded");
    r2.segment("domain", "The domain");
    r2.segment("queue", "The queue's id");
    buckets(&mut r2);
    objects(&mut r2);
    rules(&mut r2);
    domains(&mut r2);
    notifications(&mut r2);
    for (call, rest) in [
        (get as fn(String, &'static str) -> Call, ("sippy", "Show Sippy")),
        (put, ("sippy", "Replace Sippy")),
        (delete, ("sippy", "Delete Sippy")),
        (get, ("local-uploads", "Show local uploads")),
        (put, ("local-uploads", "Replace local uploads")),
    ] {
        r2.add(call(below(rest.0), rest.1).only_refuses());
    }
}

fn buckets(r2: &mut Section<'_>) {
    const BUCKETS: &str = "/accounts/{account}/r2/buckets";
    let class = || one_of(&["Standard", "InfrequentAccess"]);
    r2.schema(
        "Bucket",
        object()
            .has("name", string())
            .has("creation_date", time())
            .has("location", string())
            .has("storage_class", class())
            .has("jurisdiction", string()),
    );
    r2.add(
        get(BUCKETS, "List buckets")
            .query("name_contains", string(), "Only those whose name has this in it.")
            .query("direction", one_of(&["asc", "desc"]), "In which direction.")
            .query("start_after", string(), "Only those whose name comes after it.")
            .query("per_page", integer().between(1, 1000), "How many at most.")
            .gives(object().has("buckets", array(reference("Bucket")))),
    );
    let new = object()
        .has("name", string())
        .may("storageClass", class().or_null())
        .may("locationHint", string().or_null());
    r2.add(
        post(BUCKETS, "Create bucket")
            .header("cf-r2-jurisdiction", "Kept and shown; there is one place.")
            .takes(new)
            .gives(reference("Bucket")),
    );
    r2.add(get(BUCKET, "Show bucket").gives(reference("Bucket")));
    r2.add(
        patch(BUCKET, "Change bucket")
            .header("cf-r2-storage-class", "The class of objects that name none.")
            .gives(reference("Bucket")),
    );
    r2.add(delete(BUCKET, "Delete bucket").about("An empty one.").gives(object()));
    let usage = object()
        .has("objectCount", string())
        .has("payloadSize", string().about("Bytes."))
        .has("uploadCount", string())
        .has("uploadSize", string().about("Bytes."));
    r2.add(get(below("usage"), "Show bucket usage").gives(usage));
}

fn objects(r2: &mut Section<'_>) {
    let http = object()
        .may("contentType", string())
        .may("contentLanguage", string())
        .may("contentDisposition", string())
        .may("contentEncoding", string())
        .may("cacheControl", string())
        .may("cacheExpiry", integer().about("Milliseconds since 1970."));
    r2.schema(
        "R2Object",
        object()
            .has("key", string())
            .has("etag", string())
            .has("version", string())
            .has("size", integer().about("Bytes."))
            .has("last_modified", time())
            .has("http_metadata", http)
            .has("custom_metadata", map(string()))
            .has("storage_class", string())
            .has("ssec", boolean().about("Whether it is encrypted with a key of its owner's.")),
    );
    let info = object()
        .has("cursor", string().about("Empty on the last page."))
        .has("is_truncated", boolean())
        .has("per_page", integer())
        .has("delimited", array(string()).about("Prefixes up to the delimiter."));
    r2.add(
        get(below("objects"), "List objects")
            .query("prefix", string(), "Only keys that begin with it.")
            .query("delimiter", string(), "Keys are rolled up to it.")
            .query("start_after", string(), "Only keys that come after it.")
            .query("cursor", string(), "Where to go on: `result_info.cursor` of the page before.")
            .query("per_page", integer().between(1, 1000), "How many at most.")
            .info(info)
            .gives(array(reference("R2Object"))),
    );
    let key = || object().has("key", string());
    r2.add(delete(below("objects"), "Delete objects").takes(array(string())).gives(array(key())));
    const OBJECT: &str = "objects/{*key}";
    r2.add(
        get(below(OBJECT), "Read object")
            .about("The object as it is, with its HTTP metadata as headers.")
            .gives_raw("*/*")
            .or_parts(),
    );
    r2.add(
        put(below(OBJECT), "Write object")
            .header("content-type", "Kept and given back, as `content-language`, `content-disposition`, `content-encoding`, `cache-control` and `expires` are.")
            .header("cf-r2-storage-class", "`Standard` or `InfrequentAccess`.")
            .header("cf-r2-custom-metadata", "Ours: custom metadata, as a JSON object of strings.")
            .takes_raw("*/*", string().bytes())
            .gives(reference("R2Object")),
    );
    r2.add(delete(below(OBJECT), "Delete object").gives(key()));
}

fn rules(r2: &mut Section<'_>) {
    let rules =
        || object().has("rules", array(any()).about("As Cloudflare's dashboard and wrangler write them."));
    r2.schema("R2Rules", rules());
    let these = [
        ("cors", "Show CORS rules", "Replace CORS rules"),
        ("lifecycle", "Show lifecycle rules", "Replace lifecycle rules"),
        ("lock", "Show lock rules", "Replace lock rules"),
    ];
    for (path, show, replace) in these {
        r2.add(get(below(path), show).gives(reference("R2Rules")));
        r2.add(put(below(path), replace).takes(reference("R2Rules")).gives(object()));
    }
    r2.add(delete(below("cors"), "Delete CORS rules").gives(object()));
}

fn domains(r2: &mut Section<'_>) {
    let managed = object().has("bucketId", string()).has("domain", string()).has("enabled", boolean());
    r2.schema("ManagedDomain", managed);
    r2.add(get(below("domains/managed"), "Show managed domain").gives(reference("ManagedDomain")));
    r2.add(
        put(below("domains/managed"), "Switch managed domain")
            .takes(object().has("enabled", boolean()))
            .gives(reference("ManagedDomain")),
    );
    let status = object().has("ownership", string()).has("ssl", string());
    r2.schema(
        "BucketDomain",
        object()
            .has("domain", string())
            .has("enabled", boolean())
            .has("minTLS", string())
            .has("zoneId", string().or_null())
            .has("zoneName", string().or_null())
            .has("status", status),
    );
    let all = object().has("domains", array(reference("BucketDomain")));
    r2.add(get(below("domains/custom"), "List bucket domains").gives(all));
    let new = object()
        .has("domain", string())
        .may("zoneId", string().or_null())
        .may("zoneName", string().or_null())
        .may("minTLS", string().or_null())
        .may("enabled", boolean());
    r2.add(post(below("domains/custom"), "Add bucket domain").takes(new).gives(reference("BucketDomain")));
    const ONE: &str = "domains/custom/{domain}";
    r2.add(get(below(ONE), "Show bucket domain").gives(reference("BucketDomain")));
    let change = object().may("enabled", boolean().or_null()).may("minTLS", string().or_null());
    r2.add(put(below(ONE), "Change bucket domain").takes(change).gives(reference("BucketDomain")));
    r2.add(delete(below(ONE), "Delete bucket domain").gives(object().has("domain", string())));
}

fn notifications(r2: &mut Section<'_>) {
    const ALL: &str = "/accounts/{account}/event_notifications/r2/{bucket}/configuration";
    const ONE: &str = "/accounts/{account}/event_notifications/r2/{bucket}/configuration/queues/{queue}";
    let actions = || {
        array(string().about(
            "`PutObject`, `CopyObject`, `DeleteObject`, `CompleteMultipartUpload`, `LifecycleDeletion`.",
        ))
    };
    let rule = object()
        .has("ruleId", string())
        .has("createdAt", time())
        .has("prefix", string())
        .has("suffix", string())
        .has("actions", actions())
        .has("description", string().or_null());
    r2.schema(
        "BucketNotifications",
        object().has("queueId", string()).has("queueName", string()).has("rules", array(rule)),
    );
    let all = object().has("bucketName", string()).has("queues", array(reference("BucketNotifications")));
    r2.add(get(ALL, "List notifications").gives(all));
    r2.add(get(ONE, "Show notifications").gives(reference("BucketNotifications")));
    let new = object()
        .has("actions", actions())
        .may("prefix", string())
        .may("suffix", string())
        .may("description", string().or_null());
    r2.add(put(ONE, "Add notifications").takes(object().has("rules", array(new))).gives(object()));
    r2.add(
        delete(ONE, "Delete notifications")
            .about("All, or those that are named.")
            .may_take(object().may("ruleIds", array(string())))
            .gives(object()),
    );
}
