//! Field names like `metadata[bindings][][name]`: how the npm and PyPI SDKs flatten an object into form fields
//! (wrangler-api.md 14).

use serde_json::{Map, Value};

/// Deepest nesting read; the metadata needs five.
const MAX_DEPTH: usize = 16;

/// The keys of a bracketed field name after `root`: `["bindings", "", "name"]` for `metadata[bindings][][name]`.
/// None when the name is not of this form.
pub fn keys<'a>(name: &'a str, root: &str) -> Option<Vec<&'a str>> {
    let inner = name.strip_prefix(root)?.strip_prefix('[')?.strip_suffix(']')?;
    let keys: Vec<&str> = inner.split("][").collect();
    (keys.len() <= MAX_DEPTH).then_some(keys)
}

/// Puts a value where the keys say. An empty key appends to a list; fields of one list entry follow one another,
/// and the next entry begins where a field comes again. A field that contradicts an earlier one is left out.
pub fn insert(root: &mut Map<String, Value>, keys: &[&str], text: &str) {
    let Some((first, rest)) = keys.split_first() else { return };
    put(root.entry(*first).or_insert(Value::Null), rest, leaf(keys, text));
}

/// A form has only strings: what the metadata wants as numbers, booleans or JSON is read as such.
fn leaf(keys: &[&str], text: &str) -> Value {
    let typed = matches!(keys.first(), Some(&("limits" | "observability" | "logpush" | "keep_assets")))
        || matches!(keys.last(), Some(&("json" | "run_worker_first")));
    let parsed = typed.then(|| serde_json::from_str(text).ok()).flatten();
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn put(target: &mut Value, keys: &[&str], value: Value) {
    let Some((key, rest)) = keys.split_first() else {
        if target.is_null() {
            *target = value;
        }
        return;
    };
    if target.is_null() {
        let list = key.is_empty() || key.parse::<usize>().is_ok();
        *target = if list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
    }
    match target {
        Value::Object(object) => put(object.entry(*key).or_insert(Value::Null), rest, value),
        Value::Array(list) => {
            let index = match key.parse::<usize>() {
                Ok(index) => index.min(list.len()),
                Err(_) if !rest.is_empty() && list.last().is_some_and(|last| !has(last, rest)) => {
                    list.len() - 1
                }
                Err(_) => list.len(),
            };
            if index == list.len() {
                list.push(Value::Null);
            }
            put(&mut list[index], rest, value);
        }
        _ => {}
    }
}

fn has(value: &Value, keys: &[&str]) -> bool {
    match keys.split_first() {
        None => true,
        Some((key, rest)) => value.get(key).is_some_and(|inner| has(inner, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(fields: &[(&str, &str)]) -> Value {
        let mut root = Map::new();
        for (name, text) in fields {
            insert(&mut root, &keys(name, "metadata").unwrap(), text);
        }
        Value::Object(root)
    }

    #[test]
    fn lists_of_objects_are_split_where_a_field_comes_again() {
        let read = read(&[
            ("metadata[main_module]", "index.js"),
            ("metadata[bindings][][name]", "A"),
            ("metadata[bindings][][type]", "plain_text"),
            ("metadata[bindings][][text]", "1"),
            ("metadata[bindings][][name]", "B"),
            ("metadata[bindings][][type]", "json"),
            ("metadata[bindings][][json]", "{\"x\":1}"),
            ("metadata[compatibility_flags][]", "a"),
            ("metadata[compatibility_flags][]", "b"),
            ("metadata[limits][cpu_ms]", "50"),
            ("metadata[annotations][workers/tag]", "123"),
        ]);
        assert_eq!(
            read,
            json!({
                "main_module": "index.js",
                "bindings": [
                    {"name": "A", "type": "plain_text", "text": "1"},
                    {"name": "B", "type": "json", "json": {"x": 1}}
                ],
                "compatibility_flags": ["a", "b"],
                "limits": {"cpu_ms": 50},
                "annotations": {"workers/tag": "123"}
            })
        );
    }

    #[test]
    fn numbered_lists_are_read_too() {
        let read = read(&[("metadata[bindings][0][name]", "A"), ("metadata[bindings][1][name]", "B")]);
        assert_eq!(read, json!({"bindings": [{"name": "A"}, {"name": "B"}]}));
    }

    #[test]
    fn other_names_are_not_of_this_form() {
        for name in ["metadata", "metadata[", "metadatax[a]", "files[]", "metadata[a"] {
            assert_eq!(keys(name, "metadata"), None, "{name}");
        }
        assert_eq!(keys(&format!("metadata{}", "[a]".repeat(1000)), "metadata"), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(names in prop::collection::vec("metadata(\\[(a|b|0|7|)\\]){1,6}", 0..12)) {
            let mut root = Map::new();
            for name in &names {
                insert(&mut root, &keys(name, "metadata").unwrap(), "1");
            }
        }
    }
}
