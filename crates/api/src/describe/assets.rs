//! Static assets: what `wrangler deploy` calls before it uploads a version with files.

use hearth_openapi::{Document, Family, array, boolean, get, integer, map, object, post, reference, string};

pub(super) fn describe(document: &mut Document) {
    let about = "Files of workers: a session announces them, and only what the account has not is sent.";
    let mut section = document.section("Assets", about, Family::cloudflare());
    section.segment("hash", "What the content is called in the session");
    let file =
        object().has("hash", string().about("32 lower-case hexadecimal digits.")).has("size", integer());
    let begun = object()
        .has("jwt", string().about("What the uploads show, or, where nothing is missing, the version."))
        .has("buckets", array(array(string())).about("Hashes that are missing, in portions of one upload."));
    section.add(
        post("/accounts/{account}/workers/scripts/{worker}/assets-upload-session", "Begin assets upload")
            .takes(object().has("manifest", map(file).about("By path, which begins with a slash.")))
            .gives(begun),
    );
    section.schema(
        "Asset",
        object()
            .has("path", string())
            .has("size", integer().about("Bytes."))
            .has("type", string().or_null().about("What responses say it is; null: nothing."))
            .has("hash", string()),
    );
    section.add(
        get("/accounts/{account}/workers/scripts/{worker}/hearth/assets", "List assets")
            .about("Files of a version, in the order of their paths.")
            .query("version_id", string(), "The version; else the one that serves.")
            .query("search", string(), "Only those whose path has this in it, without regard to case.")
            .gives_pages_of(reference("Asset")),
    );
    let complete = || object().has("jwt", string().about("What the version shows: nothing is missing."));
    let about = "Shows the session's token as its bearer, not an API token. 201 when nothing is missing any more, else 202.";
    const UPLOAD: &str = "/accounts/{account}/workers/assets/upload";
    section.add(
        post(UPLOAD, "Upload assets")
            .about(about)
            .query("base64", boolean(), "Whether the parts are base64.")
            .takes_raw(
                "multipart/form-data",
                map(string()).about("A part for each content, named by its hash."),
            )
            .creates()
            .gives(complete())
            .or_gives(202, object()),
    );
    section.add(
        post(format!("{UPLOAD}/{{hash}}"), "Upload asset")
            .about(about)
            .takes_raw("*/*", string().bytes())
            .creates()
            .gives(complete())
            .or_gives(202, object()),
    );
}
