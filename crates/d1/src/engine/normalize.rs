//! One text for all queries that differ in their values only.

/// Longest text, in bytes; what is longer is cut.
const LONGEST: usize = 1000;

/// The query with `?` for every literal and parameter, one blank for any blanks and comments, and one `?` for a list of
/// them; without its last semicolon.
pub fn normalize(sql: &str) -> String {
    let mut out = String::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, length) = token(rest, first);
        match token {
            Token::Blank if out.ends_with(' ') || out.is_empty() => {}
            Token::Blank => out.push(' '),
            Token::Value => value(&mut out),
            Token::Other => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
        if out.len() > LONGEST {
            break;
        }
    }
    let mut end = out.len().min(LONGEST);
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out.truncate(out.trim_end_matches([' ', ';']).len());
    out
}

enum Token {
    Blank,
    Value,
    Other,
}

/// What a text begins with, and how many bytes of it.
fn token(text: &str, first: char) -> (Token, usize) {
    let bytes = text.as_bytes();
    let second = bytes.get(1).copied().unwrap_or(0);
    let until =
        |end: &str, from: usize| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    let while_ = |from: usize, test: fn(char) -> bool| {
        text[from..].find(|c: char| !test(c)).map_or(text.len(), |at| from + at)
    };
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    match first {
        c if c.is_whitespace() => (Token::Blank, while_(0, char::is_whitespace)),
        '-' if second == b'-' => (Token::Blank, until("\n", 2)),
        '/' if second == b'*' => (Token::Blank, until("*/", 2)),
        '\'' => (Token::Value, quoted(text, 0, '\'')),
        'x' | 'X' if second == b'\'' => (Token::Value, quoted(text, 1, '\'')),
        '"' | '`' => (Token::Other, quoted(text, 0, first)),
        '[' => (Token::Other, until("]", 1)),
        '?' | '@' | ':' => (Token::Value, while_(1, word)),
        '0'..='9' => (Token::Value, while_(0, |c| c.is_alphanumeric() || c == '.' || c == '_')),
        '.' if second.is_ascii_digit() => (Token::Value, while_(1, |c| c.is_alphanumeric())),
        c if word(c) => (Token::Other, while_(0, word)),
        c => (Token::Other, c.len_utf8()),
    }
}

/// Bytes of a quoted text that begins at `from`; its quote stands twice inside.
fn quoted(text: &str, from: usize, quote: char) -> usize {
    let mut at = from + 1;
    loop {
        match text[at..].find(quote) {
            None => return text.len(),
            Some(end) => at += end + 1,
        }
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
}

/// Adds a value, but not to a list that has one.
fn value(out: &mut String) {
    let before = out.trim_end();
    match before.strip_suffix(',').map(str::trim_end) {
        Some(list) if list.ends_with('?') => out.truncate(list.len()),
        _ => out.push('?'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_do_not_matter() {
        for (sql, expected) in [
            ("SELECT * FROM t WHERE a = 1 AND b='it''s';", "SELECT * FROM t WHERE a = ? AND b=?"),
            ("select\n\t1.5e3 -- comment\n , x'00ff' /* more */", "select ?"),
            ("INSERT INTO t VALUES (?1, ?, :name, @x, 7)", "INSERT INTO t VALUES (?)"),
            ("SELECT \"1\", `2`, [3], t4 FROM a.b5", "SELECT \"1\", `2`, [3], t4 FROM a.b5"),
            ("SELECT 'open", "SELECT ?"),
            ("SELECT \"a\"\"b\" ;; ", "SELECT \"a\"\"b\""),
            ("  SELECT ü, 'ä' ", "SELECT ü, ?"),
            ("", ""),
        ] {
            assert_eq!(normalize(sql), expected, "{sql}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_bounded_and_stays_what_it_became(sql in "[a-z0-9 '\"`\\[\\]?:@;,.\\-/*\nü()=]{0,60}") {
            let once = normalize(&sql);
            prop_assert!(once.len() <= LONGEST);
            prop_assert!(once.len() <= sql.len() + 1);
        }

        #[test]
        fn long_texts_are_cut(word in "[ü(a]{900,1500}") {
            prop_assert!(normalize(&word).len() <= LONGEST);
        }
    }
}
