//! Leaves secrets out of what is kept. Pure. By the name of a member, by the kind of thing that it is a member of, and by
//! what a text looks like; where it is not clear, it is left out.

use serde_json::{Map, Value};

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "(redacted)";

/// What stands in the place of code and of what is too large.
pub(crate) const LEFT_OUT: &str = "(left out)";

/// Largest value that is kept, in bytes of JSON.
const MOST: usize = 16 << 10;

/// A value as it may be kept.
pub(crate) fn redact(mut value: Value) -> Value {
    clean(&mut value);
    if value.to_string().len() > MOST {
        return Value::String(LEFT_OUT.to_owned());
    }
    value
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(members) => clean_members(members),
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::String(text) => {
            if is_revealing(text) {
                *value = Value::String(REDACTED.to_owned());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn clean_members(members: &mut Map<String, Value>) {
    let kind = members.get("type").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let of_secret = kind.as_deref().is_some_and(|kind| kind.contains("secret"));
    let of_plain = matches!(kind.as_deref(), Some("plain_text" | "json"));
    for (name, value) in members.iter_mut() {
        let plain = folded(name);
        if of_secret && !names_only(&plain) {
            blacken(value);
        } else if is_code(&plain) {
            leave_out(value);
        } else if is_secret(&plain) || (!of_plain && is_content(&plain)) {
            blacken(value);
        } else if is_environment(&plain) {
            environment(value);
        } else {
            clean(value);
        }
    }
}

/// Variables: of those that say what kind they are that counts, the others may be anything.
fn environment(value: &mut Value) {
    match value {
        Value::Object(variables) => {
            for variable in variables.values_mut() {
                match variable {
                    Value::Object(_) | Value::Null => clean(variable),
                    other => blacken(other),
                }
            }
        }
        other => clean(other),
    }
}

/// Removes every text and number; what something is called stays.
fn blacken(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match (names_only(&folded(name)), &*value) {
                    (true, Value::String(text)) if !is_revealing(text) => {}
                    _ => blacken(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(blacken),
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Number(_) => *value = Value::String(REDACTED.to_owned()),
        Value::Null | Value::Bool(_) => {}
    }
}

fn leave_out(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        _ => *value = Value::String(LEFT_OUT.to_owned()),
    }
}

/// A member's name in small letters, without what joins its words.
fn folded(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// What is said of a secret that is none.
fn names_only(name: &str) -> bool {
    matches!(name, "type" | "name" | "id" | "status" | "createdon" | "modifiedon" | "expireson")
}

/// Members that are secrets wherever they stand.
fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 12] = [
        "secret",
        "password",
        "passphrase",
        "privatekey",
        "credential",
        "apikey",
        "accesskey",
        "recoverycode",
        "otpauth",
        "connectionstring",
        "authorization",
        "cookie",
    ];
    const ENDS: [&str; 5] = ["token", "jwt", "totp", "keybase64", "keyjwk"];
    const WHOLE: [&str; 7] = ["ticket", "code2fa", "dsn", "signedurl", "uploadurl", "pass", "pwd"];
    PARTS.iter().any(|part| name.contains(part)) && !name.ends_with("id") && !name.ends_with("count")
        || ENDS.iter().any(|end| name.ends_with(end))
        || WHOLE.contains(&name)
}

/// Members that hold a secret unless they say that they do not: `value` of a token that was made, `text` of a binding.
fn is_content(name: &str) -> bool {
    matches!(name, "value" | "text")
}

fn is_code(name: &str) -> bool {
    matches!(name, "code" | "sourcecode" | "files" | "modules" | "content")
}

fn is_environment(name: &str) -> bool {
    matches!(name, "env" | "envvars" | "environment" | "environmentvariables" | "vars" | "variables")
}

/// Texts that let somebody in by themselves: a signed token, a key, an address with a password or a one-time link in it.
fn is_revealing(text: &str) -> bool {
    let jwt = text.starts_with("eyJ") && text.matches('.').count() == 2;
    let key = text.contains("-----BEGIN ") && text.contains("PRIVATE KEY-----");
    let address = text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.contains('@') || rest.split(['/', '?', '#', '=', '&']).skip(1).any(looks_random)
    });
    // The addresses of an inspector session, by which a debugger attaches.
    let session = text.contains("/inspector/") || text.contains("inspect-");
    jwt || key || address || session || text.starts_with("otpauth:")
}

/// Whether a part of an address is no word: a key that opens what it leads to, or an id, which is a loss to nobody.
fn looks_random(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    part.len() >= 16 && digits > 2 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_and_what_they_are_called_stays() {
        for (given, kept) in [
            (
                json!({"id": "s", "websocket_url": "ws://h/inspector/k", "discovery_host": "inspect-k.h"}),
                json!({"id": "s", "websocket_url": REDACTED, "discovery_host": REDACTED}),
            ),
            (
                json!({"type": "secret_text", "name": "KEY", "text": "s"}),
                json!({"type": "secret_text", "name": "KEY", "text": REDACTED}),
            ),
            (
                json!({"type": "secret_key", "name": "K", "key_base64": "s", "usages": ["sign"]}),
                json!({"type": "secret_key", "name": "K", "key_base64": REDACTED, "usages": [REDACTED]}),
            ),
            (
                json!({"type": "plain_text", "name": "V", "text": "seen"}),
                json!({"type": "plain_text", "name": "V", "text": "seen"}),
            ),
            (json!({"id": "1", "value": "s"}), json!({"id": "1", "value": REDACTED})),
            (
                json!({"client_id": "c", "client_secret": "s"}),
                json!({"client_id": "c", "client_secret": REDACTED}),
            ),
            (
                json!({"clientSecret": "s", "PassWord": "s", "new-password": 1234}),
                json!({"clientSecret": REDACTED, "PassWord": REDACTED, "new-password": REDACTED}),
            ),
            (
                json!({"env": {"A": "s", "B": {"type": "secret_text", "value": "s"}, "C": {"type": "plain_text", "value": "v"}}}),
                json!({"env": {"A": REDACTED, "B": {"type": "secret_text", "value": REDACTED}, "C": {"type": "plain_text", "value": "v"}}}),
            ),
            (
                json!({"secrets": [{"name": "A", "text": "s"}], "recovery_codes": ["s", "s"]}),
                json!({"secrets": [{"name": "A", "text": REDACTED}], "recovery_codes": [REDACTED, REDACTED]}),
            ),
            (
                json!({"code": "export default {}", "errors": [{"code": 7}]}),
                json!({"code": LEFT_OUT, "errors": [{"code": 7}]}),
            ),
            (
                json!({"token_id": "t", "secret_id": "x", "two_factor": true}),
                json!({"token_id": "t", "secret_id": "x", "two_factor": true}),
            ),
            (
                json!([
                    "eyJh.eyJi.c",
                    "postgres://u:p@h/d",
                    "ws://h.test/inspector/0f2c9a7b1d3e4f5a",
                    "https://h.test/a@b"
                ]),
                json!([REDACTED, REDACTED, REDACTED, "https://h.test/a@b"]),
            ),
        ] {
            assert_eq!(redact(given.clone()), kept, "{given}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        assert_eq!(redact(json!(["x".repeat(MOST)])), json!(LEFT_OUT));
        assert_eq!(redact(json!("x".repeat(MOST - 10))), json!("x".repeat(MOST - 10)));
    }

    const MARK: &str = "the-secret-text";

    /// Somewhere a secret may stand, with the secret in it.
    fn hiding() -> impl Strategy<Value = Value> {
        let names = [
            "secret",
            "client_secret",
            "clientSecret",
            "password",
            "new_password",
            "api_token",
            "token",
            "accessToken",
            "refresh_token",
            "authorization",
            "Set-Cookie",
            "private_key",
            "recovery_codes",
            "text",
            "value",
            "jwt",
            "otpauth_url",
            "secret_access_key",
            "key_base64",
            "credentials",
            "code",
            "files",
            "connection_string",
        ];
        let leaf = prop_oneof![
            Just(json!(MARK)),
            Just(json!([MARK, {"x": MARK}])),
            Just(json!({"a": {"b": MARK}, "name": 1})),
            Just(json!(format!("{MARK}/more"))),
        ];
        let named = (prop::sample::select(names.to_vec()), leaf.clone())
            .prop_map(|(name, leaf)| json!({"name": "n", name: leaf}));
        let of_kind = (
            prop::sample::select(vec!["secret_text", "secret_key", "secrets_store_secret"]),
            "[a-z]{1,8}",
            leaf,
        )
            .prop_filter("a name is no secret", |(_, name, _)| !names_only(name))
            .prop_map(|(kind, name, leaf)| json!({"type": kind, name: leaf}));
        let variable = "[A-Z_]{1,6}".prop_map(|name| json!({"env": {name: MARK}}));
        prop_oneof![named, of_kind, variable]
    }

    /// The same in something around it.
    fn around() -> impl Strategy<Value = Value> {
        hiding().prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..3).prop_map(Value::Array),
                ("[a-z_]{1,10}", inner.clone(), any::<i64>())
                    .prop_map(|(name, inner, n)| json!({name: inner, "n": n})),
                inner.prop_map(|inner| json!({"bindings": [inner, {"type": "kv_namespace", "name": "KV"}]})),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_secret_is_kept_wherever_it_stands(value in around()) {
            let kept = redact(value.clone());
            prop_assert!(!kept.to_string().contains(MARK), "{value} became {kept}");
            prop_assert_eq!(redact(kept.clone()), kept);
        }

        #[test]
        fn what_holds_no_secret_stays_as_it_is(names in prop::collection::vec("(title|host|pattern|cron|limit|role)", 1..5), n in any::<u32>()) {
            let value = Value::Object(names.into_iter().map(|name| (name, json!({"of": n, "list": ["a", null, true]}))).collect());
            prop_assert_eq!(redact(value.clone()), value);
        }
    }
}
