//! What a tenant asks, translated into SQL of ours.
//!
//! The language is the one of Cloudflare's reference (developers.cloudflare.com, Analytics Engine, SQL reference), a
//! part of ClickHouse's. What is not known here by name is refused by name. Everything in this module is pure.

mod aggregate;
mod check;
mod expr;
mod function;
mod literal;
mod operator;
mod select;
mod types;

use sqlparser::ast::Statement;
use sqlparser::dialect::ClickHouseDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

pub use select::{Output, translate};
pub use types::Type;

/// Longest query, in bytes.
const MAX_TEXT: usize = 32 << 10;

/// Most tokens of a query: they bound how deep its tree may be.
const MAX_TOKENS: usize = 4_000;

/// Why a query is refused; the text is for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SqlError(pub(crate) String);

impl SqlError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn unsupported(what: impl std::fmt::Display) -> Self {
        Self(format!("{what} is not supported by the Analytics Engine's SQL"))
    }
}

type Result<T> = std::result::Result<T, SqlError>;

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One object with the columns' types.
    #[default]
    Json,
    /// An object for each row.
    JsonEachRow,
    /// Tabs and newlines.
    TabSeparated,
}

/// What is asked.
#[derive(Debug)]
pub enum Question {
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW TIMEZONES`.
    Timezones,
    /// `SHOW TIMEZONE`.
    Timezone,
    /// `SELECT`.
    Select(Box<sqlparser::ast::Query>),
}

/// Reads a query's text.
///
/// # Errors
/// What is no query of this language.
pub fn read(text: &str) -> Result<(Question, Format)> {
    if text.len() > MAX_TEXT {
        return Err(SqlError::new(format!("a query may have at most {MAX_TEXT} bytes")));
    }
    let tokens = Tokenizer::new(&ClickHouseDialect {}, text).tokenize().map_err(|error| broken(&error))?;
    let words = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).count();
    if words > MAX_TOKENS {
        return Err(SqlError::new(format!("a query may have at most {MAX_TOKENS} words")));
    }
    if let Some(shown) = show(&tokens)? {
        return Ok(shown);
    }
    let (tokens, format) = without_format(tokens);
    let mut parser = Parser::new(&ClickHouseDialect {}).with_tokens(tokens);
    let mut statements = parser.parse_statements().map_err(|error| broken(&error))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => match &query.format_clause {
            Some(clause) => Err(SqlError::unsupported(clause)),
            None => Ok((Question::Select(query), format.unwrap_or_default())),
        },
        (Some(_), true) => Err(SqlError::new("only SELECT and SHOW statements are supported")),
        (None, _) => Err(SqlError::new("the query is empty")),
        (_, false) => Err(SqlError::new("only one statement may be sent at a time")),
    }
}

fn broken(error: &dyn std::fmt::Display) -> SqlError {
    SqlError(format!("cannot parse the query: {error}"))
}

/// `SHOW TABLES`, `SHOW TIMEZONES` and `SHOW TIMEZONE`, each with a `FORMAT`, which the parser does not know there.
fn show(tokens: &[Token]) -> Result<Option<(Question, Format)>> {
    let words: Vec<String> = tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_) | Token::SemiColon))
        .map(|token| match token {
            Token::Word(word) => word.value.to_ascii_lowercase(),
            other => other.to_string(),
        })
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (question, rest) = match words.as_slice() {
        ["show", "tables", rest @ ..] => (Question::Tables, rest),
        ["show", "timezones", rest @ ..] => (Question::Timezones, rest),
        ["show", "timezone", rest @ ..] => (Question::Timezone, rest),
        ["show", ..] => return Err(SqlError::unsupported("this SHOW statement")),
        _ => return Ok(None),
    };
    match rest {
        [] => Ok(Some((question, Format::default()))),
        ["format", name] => Ok(Some((question, format_named(name)?))),
        _ => Err(SqlError::unsupported("what follows this SHOW statement")),
    }
}

/// The tokens without a `FORMAT` at their end, which the parser takes for an alias where no `FROM` stands before it.
fn without_format(mut tokens: Vec<Token>) -> (Vec<Token>, Option<Format>) {
    let meaning = |token: &Token| !matches!(token, Token::Whitespace(_) | Token::SemiColon);
    let mut last = (0..tokens.len()).rev().filter(|at| meaning(&tokens[*at]));
    let (Some(name), Some(word)) = (last.next(), last.next()) else { return (tokens, None) };
    let (Token::Word(named), Token::Word(format)) = (&tokens[name], &tokens[word]) else {
        return (tokens, None);
    };
    match format_named(&named.value) {
        Ok(known) if format.value.eq_ignore_ascii_case("format") => {
            tokens.truncate(word);
            (tokens, Some(known))
        }
        _ => (tokens, None),
    }
}

fn format_named(name: &str) -> Result<Format> {
    match name.to_ascii_lowercase().as_str() {
        "json" => Ok(Format::Json),
        "jsoneachrow" => Ok(Format::JsonEachRow),
        "tabseparated" => Ok(Format::TabSeparated),
        _ => Err(SqlError::unsupported(format!("FORMAT {name}"))),
    }
}
