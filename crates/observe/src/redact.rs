//! What a log does not show of a request: headers that carry secrets, and what looks like an id or a card's number in a
//! URL. The rules are workerd's own for tail workers (`TraceItem::FetchEventInfo::Request` in its `api/trace.c++`,
//! `redactUrl` in its `api/util.c++`), so that every way to look at a request hides the same.

use std::borrow::Cow;

const REDACTED: &str = "REDACTED";

/// A header's value as it may be shown. `name` is in small letters.
pub(crate) fn header<'a>(name: &str, value: &'a str) -> &'a str {
    let whole = matches!(name, "cookie" | "set-cookie");
    let part = ["auth", "jwt", "key", "secret", "token"].iter().any(|word| name.contains(word));
    if whole || part { REDACTED } else { value }
}

/// A URL as it may be shown: between characters that no id holds, a run that looks like one is replaced.
pub(crate) fn url(url: &str) -> Cow<'_, str> {
    let in_a_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_');
    let mut out = String::new();
    let mut changed = false;
    let mut rest = url;
    while !rest.is_empty() {
        let end = rest.find(|c| !in_a_run(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        changed |= is_secret(run);
        out.push_str(if is_secret(run) { REDACTED } else { run });
        let next = after.chars().next().map_or(0, char::len_utf8);
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    if changed { Cow::Owned(out) } else { Cow::Borrowed(url) }
}

fn is_secret(run: &str) -> bool {
    let count = |is: fn(&u8) -> bool| run.bytes().filter(is).count();
    let separators = count(|b| matches!(b, b'+' | b'-' | b'_'));
    let hex = count(u8::is_ascii_hexdigit);
    let is_hex_id = hex >= 32 && hex + separators == run.len();
    let is_base64 = run.len() >= 21
        && count(u8::is_ascii_digit) >= 2
        && count(u8::is_ascii_uppercase) >= 2
        && count(u8::is_ascii_lowercase) >= 2;
    is_hex_id || is_base64 || is_card_number(run)
}

/// 13 to 19 digits, separated or not, whose check digit is right.
fn is_card_number(run: &str) -> bool {
    let digits: Option<Vec<u32>> = run
        .bytes()
        .filter(|b| !matches!(b, b'+' | b'-' | b'_'))
        .map(|b| b.is_ascii_digit().then(|| u32::from(b - b'0')))
        .collect();
    digits.is_some_and(|digits| {
        let weighted = digits.iter().rev().enumerate().map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) => doubled / 10 + doubled % 10,
        });
        (13..=19).contains(&digits.len()) && weighted.sum::<u32>() % 10 == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_with_secrets_are_hidden() {
        for name in
            ["authorization", "cookie", "x-api-key", "x-auth-email", "my-jwt", "csrf-token", "a-secret-b"]
        {
            assert_eq!(header(name, "value"), REDACTED, "{name}");
        }
        for name in ["accept", "host", "cf-connecting-ip", "user-agent", "x-cookies"] {
            assert_eq!(header(name, "value"), "value", "{name}");
        }
    }

    #[test]
    fn ids_in_urls_are_hidden_and_words_are_not() {
        for (given, shown) in [
            ("https://a.test/0123456789abcdef0123456789abcdef/x", "https://a.test/REDACTED/x"),
            ("https://a.test/0123456789abcdef-0123456789ABCDEF/x", "https://a.test/REDACTED/x"),
            ("https://a.test/01234567890123456azAZ?ü=1", "https://a.test/REDACTED?ü=1"),
            ("https://a.test/?card=4111-1111-1111-1111&b=2", "https://a.test/?card=REDACTED&b=2"),
            ("https://a.test/?card=378282246310005", "https://a.test/?card=REDACTED"),
        ] {
            assert_eq!(url(given), shown);
        }
        for shown in [
            "",
            "https://a.test/path?a=1&b=2",
            "https://a.test/0123456789abcdef0123456789abcde/x",
            "https://a.test/0123456789abcdef0123456789abcdefg/x",
            "https://a.test/IThinkIShallNeverSee0/x",
            "https://a.test/?n=4111111111111112",
            "https://a.test/?n=79927398713&long=40000000000000000002",
        ] {
            assert_eq!(url(shown), shown);
        }
    }
}
