//! Where one statement ends and the next begins, by SQLite's tokens: a semicolon ends a statement, but for those between
//! a trigger's `BEGIN` and its `; END`.

/// What a text begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut<'a> {
    /// Nothing but blanks and comments.
    Empty,
    /// A statement with what stands before it, without its semicolon, and what follows but blanks.
    Whole(&'a str, &'a str),
    /// A statement that no semicolon ends.
    Open(&'a str),
}

/// Cuts the first statement off. Semicolons that end nothing are passed over.
pub fn cut(sql: &str) -> Cut<'_> {
    let mut begin = 0;
    let mut tokens = Tokens { sql, at: 0 };
    let mut trigger = Trigger::default();
    let mut seen = false;
    while let Some((token, at)) = tokens.next() {
        match token {
            Token::Semicolon if !seen => begin = tokens.at,
            Token::Semicolon if trigger.ends() => {
                return Cut::Whole(sql[begin..at].trim_ascii_end(), sql[tokens.at..].trim_ascii_start());
            }
            token => {
                seen = true;
                trigger.take(token);
            }
        }
    }
    match seen {
        true => Cut::Open(sql[begin..].trim_ascii_end()),
        false => Cut::Empty,
    }
}

/// All statements of a text.
pub fn all(sql: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = sql;
    loop {
        match cut(rest) {
            Cut::Empty => return found,
            Cut::Open(last) => {
                found.push(last);
                return found;
            }
            Cut::Whole(statement, after) => {
                found.push(statement);
                rest = after;
            }
        }
    }
}

/// The first word, in capitals; what decides whether a transaction of its own is needed.
pub fn keyword(sql: &str) -> Option<String> {
    match (Tokens { sql, at: 0 }).next()?.0 {
        Token::Word(word) => Some(word.to_ascii_uppercase()),
        _ => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Semicolon,
    Word(&'a str),
    Other,
}

/// Whether we are in `CREATE [TEMP|TEMPORARY] TRIGGER`, which ends with `; END ;` (SQLite's `sqlite3_complete`).
#[derive(Debug, Default)]
struct Trigger {
    words: usize,
    create: bool,
    inside: bool,
    after_semicolon: bool,
    closed: bool,
}

impl Trigger {
    fn take(&mut self, token: Token<'_>) {
        let is = |name: &str| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(name));
        if self.inside {
            self.closed = self.after_semicolon && is("END");
            self.after_semicolon = token == Token::Semicolon;
            return;
        }
        match self.words {
            0 => {
                self.create = is("CREATE");
                // `EXPLAIN [QUERY PLAN]` may stand before.
                if is("EXPLAIN") || is("QUERY") || is("PLAN") {
                    return;
                }
            }
            _ if self.create && (is("TEMP") || is("TEMPORARY")) => return,
            1 if self.create => self.inside = is("TRIGGER"),
            _ => {}
        }
        self.words += 1;
    }

    /// Whether a semicolon ends the statement here; inside of a trigger it is taken note of.
    fn ends(&mut self) -> bool {
        if !self.inside || self.closed {
            return true;
        }
        self.after_semicolon = true;
        false
    }
}

struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The next token that is neither blank nor comment, and where it begins.
    fn next(&mut self) -> Option<(Token<'a>, usize)> {
        let bytes = self.sql.as_bytes();
        loop {
            let rest = &bytes[self.at..];
            let begin = self.at;
            match *rest.first()? {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0c => self.at += 1,
                b'-' if rest.starts_with(b"--") => self.at += position(rest, b"\n").unwrap_or(rest.len()),
                b'/' if rest.starts_with(b"/*") => {
                    self.at += position(&rest[2..], b"*/").map_or(rest.len(), |end| end + 4);
                }
                b';' => {
                    self.at += 1;
                    return Some((Token::Semicolon, begin));
                }
                quote @ (b'\'' | b'"' | b'`' | b'[') => {
                    // A doubled quote is two strings side by side here, which ends at the same place.
                    let end = if quote == b'[' { b"]" } else { std::slice::from_ref(&rest[0]) };
                    self.at += position(&rest[1..], end).map_or(rest.len(), |end| end + 2);
                    return Some((Token::Other, begin));
                }
                first if is_word(first) => {
                    self.at += rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
                    return Some((Token::Word(&self.sql[begin..self.at]), begin));
                }
                _ => {
                    self.at += 1;
                    return Some((Token::Other, begin));
                }
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::fallible_iterator::FallibleIterator;

    #[test]
    fn statements_end_where_they_end() {
        let trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END";
        for (sql, expected) in [
            ("", vec![]),
            (" ;; -- x\n /* ; */ ", vec![]),
            ("SELECT 1", vec!["SELECT 1"]),
            ("SELECT 1; -- done;", vec!["SELECT 1"]),
            (
                "SELECT ';' ; SELECT \";\"; SELECT [;]; SELECT `;`",
                vec!["SELECT ';'", "SELECT \";\"", "SELECT [;]", "SELECT `;`"],
            ),
            ("SELECT 'it''s; one'; 2", vec!["SELECT 'it''s; one'", "2"]),
            ("SELECT 1 -- ; \n + 1; b", vec!["SELECT 1 -- ; \n + 1", "b"]),
            ("SELECT 'open; 1", vec!["SELECT 'open; 1"]),
            ("/* open ; ", vec![]),
            (" SELECT 1 ;\n SELECT 2 ", vec![" SELECT 1", "SELECT 2"]),
            (&format!("{trigger}; SELECT 3"), vec![trigger, "SELECT 3"]),
            (
                "create temp trigger t begin select 1;end; x",
                vec!["create temp trigger t begin select 1;end", "x"],
            ),
            ("CREATE TABLE trigger_log (a); b", vec!["CREATE TABLE trigger_log (a)", "b"]),
        ] {
            assert_eq!(all(sql), expected, "{sql}");
        }
    }

    #[test]
    fn the_keyword_is_the_first_word() {
        assert_eq!(keyword(" /* a */ -- b\n select 1").as_deref(), Some("SELECT"));
        assert_eq!(keyword("(1)"), None);
        assert_eq!(keyword(""), None);
    }

    /// How many statements SQLite itself finds, by preparing one after the other.
    fn by_sqlite(sql: &str) -> Option<usize> {
        let db = rusqlite::Connection::open_in_memory().ok()?;
        let mut batch = rusqlite::Batch::new(&db, sql);
        let mut count = 0;
        while let Some(_statement) = batch.next().ok()? {
            count += 1;
        }
        Some(count)
    }

    proptest! {
        #[test]
        fn what_sqlite_understands_is_cut_as_sqlite_cuts_it(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("SELECT 1"), Just(";"), Just(" "), Just("\n"), Just("-- c ; '\n"), Just("/* ; ' */"),
                    Just("SELECT ';'"), Just("SELECT 'a''b'"), Just("SELECT 1 AS [;]"), Just("SELECT 1 AS \"x;\""),
                    Just("CREATE TABLE t (a)"), Just("SELECT CASE 1 WHEN 1 THEN 2 END"), Just(", 2"),
                ],
                0..12,
            ),
        ) {
            let sql = parts.concat();
            if let Some(count) = by_sqlite(&sql) {
                prop_assert_eq!(all(&sql).len(), count, "{}", sql);
            }
        }

        #[test]
        fn any_text_is_cut_without_loss_of_a_statement(sql in any::<String>()) {
            let mut at = 0;
            for statement in all(&sql) {
                let found = sql[at..].find(statement);
                prop_assert!(found.is_some());
                at += found.unwrap_or(0) + statement.len();
            }
        }
    }
}
