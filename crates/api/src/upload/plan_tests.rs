use jiff::civil::date;
use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

const MAX: u64 = 1000;

fn part(name: &str, media_type: &str, content: &str) -> Part {
    Part {
        name: name.to_owned(),
        media_type: (!media_type.is_empty()).then(|| media_type.to_owned()),
        content: Bytes::from(content.to_owned()),
    }
}

fn esm() -> Part {
    part("index.js", "application/javascript+module", "export default {}")
}

fn bindings(values: &[Value]) -> Vec<Binding> {
    values.iter().map(|value| Binding::from_wire(value).unwrap().redacted()).collect()
}

fn run(metadata: Value, parts: Vec<Part>, previous: &[Binding], inherit: Inherit) -> Result<Plan, ApiError> {
    let Value::Object(document) = metadata else { panic!("metadata is an object") };
    plan(Form { document, parts }, previous, inherit, date(2026, 11, 20), MAX)
}

fn refused(metadata: Value, parts: Vec<Part>) -> (u32, String) {
    let error = run(metadata, parts, &[], Inherit::Strict).unwrap_err();
    (error.code(), error.message().to_owned())
}

#[test]
fn an_upload_of_modules_becomes_a_version() {
    let plan = run(
        json!({
            "main_module": "index.js", "compatibility_date": "2026-01-01", "compatibility_flags": ["nodejs_compat"],
            "bindings": [{"name": "A", "type": "plain_text", "text": "x"}, {"name": "S", "type": "secret_text", "text": "hush"}],
            "limits": {"cpu_ms": 100}, "annotations": {"workers/tag": "t1"}, "logpush": true
        }),
        vec![esm(), part("a.wasm", "application/wasm", "w"), part("index.js.map", "application/source-map", "{}")],
        &[],
        Inherit::Strict,
    )
    .unwrap();
    assert_eq!(plan.format, Format::Modules { main: "index.js".into() });
    assert_eq!(plan.modules[2].kind, ModuleKind::SourceMap);
    assert_eq!(plan.limits.cpu_ms, Some(100));
    assert_eq!(plan.annotations["workers/tag"], "t1");
    assert_eq!(plan.settings.logpush, Some(true));
    assert_eq!(plan.compatibility.flags, ["nodejs_compat"]);
    assert!(plan.bindings.secrets["S"] == PlannedSecret::New("hush".into()));
    assert_eq!(plan.bindings.bindings[1].kind, BindingKind::SecretText { text: None });
    assert!(!format!("{plan:?}").contains("hush"));
}

#[test]
fn what_does_not_hold_is_named() {
    let dates = |key: &str, value: Value| json!({"main_module": "index.js", key: value});
    for (metadata, parts, fragment) in [
        (json!({}), vec![esm()], "main_module"),
        (json!({"main_module": "a.js"}), vec![esm()], "a.js"),
        (json!({"main_module": "index.js", "body_part": "index.js"}), vec![esm()], "both"),
        (json!({"main_module": "a.txt"}), vec![part("a.txt", "text/plain", "")], "text/plain"),
        (json!({"body_part": "a.wasm"}), vec![part("a.wasm", "application/wasm", "")], "application/wasm"),
        (json!({"main_module": "index.js"}), vec![esm(), esm()], "twice"),
        (json!({"main_module": "index.js"}), vec![esm(), part("a.py", "text/x-python", "")], "Python"),
        (json!({"main_module": "index.js"}), vec![esm(), part("a.png", "image/png", "")], "image/png"),
        (dates("compatibility_date", json!("2026-13-01")), vec![esm()], "2026-13-01"),
        (dates("compatibility_date", json!("2027-01-01")), vec![esm()], "future"),
        (dates("compatibility_flags", json!(["No Such"])), vec![esm()], "No Such"),
        (
            dates("bindings", json!([{"name": "E", "type": "send_email"}])),
            vec![esm()],
            "binding E of type send_email",
        ),
        (dates("bindings", json!([{"name": "S", "type": "secret_text"}])), vec![esm()], "binding S"),
        (
            dates("bindings", json!([{"name": "W", "type": "wasm_module", "part": "w"}])),
            vec![esm()],
            "binding W",
        ),
        (
            dates(
                "bindings",
                json!([{"name": "A", "type": "json", "json": 1}, {"name": "A", "type": "json", "json": 2}]),
            ),
            vec![esm()],
            "binding A is declared twice",
        ),
    ] {
        let (number, message) = refused(metadata.clone(), parts);
        assert_eq!(number, code::INVALID_UPLOAD, "{metadata}");
        assert!(message.contains(fragment), "{metadata}: {message}");
    }
}

#[test]
fn code_over_the_limit_is_refused_and_source_maps_do_not_count() {
    let big = "x".repeat(MAX as usize + 1);
    let metadata = json!({"main_module": "index.js"});
    assert_eq!(refused(metadata.clone(), vec![esm(), part("big", "text/plain", &big)]).0, code::TOO_LARGE);
    let map = part("index.js.map", "application/source-map", &big);
    assert!(run(metadata, vec![esm(), map], &[], Inherit::Strict).is_ok());
}

#[test]
fn service_worker_parts_are_checked() {
    let metadata = json!({"body_part": "script", "bindings": [
        {"name": "W", "type": "wasm_module", "part": "w"}, {"name": "T", "type": "text_blob", "part": "t"}
    ]});
    let script = part("script", "application/javascript", "addEventListener('fetch', () => {})");
    let wasm = part("w", "application/wasm", "");
    let text = part("t", "text/plain", "");
    let whole =
        run(metadata.clone(), vec![script.clone(), wasm.clone(), text], &[], Inherit::Strict).unwrap();
    assert_eq!(whole.format, Format::ServiceWorker { body: "script".into() });
    assert!(refused(metadata, vec![script, wasm]).1.contains("binding T"));
}

#[test]
fn types_are_guessed_where_none_is_sent() {
    let parts =
        vec![part("index.js", "", ""), part("a.wasm", "", ""), part("b.bin", "", ""), part("c.json", "", "")];
    let plan = run(json!({"main_module": "index.js"}), parts, &[], Inherit::Strict).unwrap();
    let kinds: Vec<ModuleKind> = plan.modules.iter().map(|module| module.kind).collect();
    assert_eq!(kinds, [ModuleKind::EsModule, ModuleKind::Wasm, ModuleKind::Data, ModuleKind::Json]);
    assert!(run(json!({"body_part": "a.js"}), vec![part("a.js", "", "")], &[], Inherit::Strict).is_ok());
}

#[test]
fn kept_types_stay_unless_they_are_redefined() {
    let previous = bindings(&[
        json!({"name": "S", "type": "secret_text", "text": "1"}),
        json!({"name": "T", "type": "secret_text", "text": "2"}),
        json!({"name": "V", "type": "plain_text", "text": "3"}),
    ]);
    let wanted = [json!({"name": "T", "type": "plain_text", "text": "new"})];
    let planned = resolve_bindings(&wanted, &["secret_text".into()], &previous, Inherit::Strict).unwrap();
    let names: Vec<&str> = planned.bindings.iter().map(|binding| binding.name.as_str()).collect();
    assert_eq!(names, ["T", "S"]);
    assert!(planned.secrets["S"] == PlannedSecret::Kept("S".into()) && !planned.secrets.contains_key("T"));
}

#[test]
fn inherit_takes_over_renames_and_fails_as_asked() {
    let previous = bindings(&[json!({"name": "S", "type": "secret_text", "text": "1"})]);
    let wanted = [json!({"name": "NEW", "type": "inherit", "old_name": "S"})];
    let planned = resolve_bindings(&wanted, &[], &previous, Inherit::Strict).unwrap();
    assert!(planned.secrets["NEW"] == PlannedSecret::Kept("S".into()));
    assert_eq!(planned.bindings[0].name, "NEW");

    let missing = [json!({"name": "X", "type": "inherit"})];
    let error = resolve_bindings(&missing, &[], &previous, Inherit::Strict).unwrap_err();
    assert_eq!(error.code(), code::INVALID_INHERIT);
    assert!(error.message().starts_with("inherit binding 'X' is invalid"));
    assert!(resolve_bindings(&missing, &[], &previous, Inherit::Lax).unwrap().bindings.is_empty());
}

#[test]
fn a_secret_without_text_is_kept() {
    let previous = bindings(&[json!({"name": "S", "type": "secret_text", "text": "1"})]);
    let planned =
        resolve_bindings(&[json!({"name": "S", "type": "secret_text"})], &[], &previous, Inherit::Strict)
            .unwrap();
    assert!(planned.secrets["S"] == PlannedSecret::Kept("S".into()));
}

/// Metadata made of the right words in wrong places.
fn any_metadata() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(index.js|secret_text|inherit|plain_text|service|2026-01-01|A|)".prop_map(Value::from),
    ];
    let key = "(main_module|body_part|bindings|name|type|text|compatibility_date|limits|cpu_ms|keep_bindings|annotations|migrations|steps|exports|assets|observability|tail_consumers)";
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<String, Value>>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_metadata_makes_it_panic(metadata in any_metadata(), strict in any::<bool>()) {
        let Value::Object(document) = metadata else { return Ok(()) };
        let inherit = if strict { Inherit::Strict } else { Inherit::Lax };
        let form = Form { document, parts: vec![esm()] };
        if let Ok(plan) = plan(form, &[], inherit, date(2026, 11, 20), MAX) {
            let inherits = |binding: &Binding| binding.type_name() == "inherit";
            prop_assert!(!plan.bindings.bindings.iter().any(inherits));
        }
    }
}
