//! Functions of one row that SQLite does not have. Each is bounded by the length of its arguments, which SQLite is told
//! to keep short.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};

use super::{MAX_VALUE, time};

/// Longest pattern of `LIKE`, in bytes: with the value's length it says how long the match may take.
const MAX_PATTERN: usize = 1_000;

/// What a function says to the caller.
fn refuse<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::UserFunctionError(text.into().into()))
}

fn text<'a>(context: &'a Context<'_>, at: usize) -> Result<&'a str> {
    match context.get_raw(at) {
        ValueRef::Text(text) => {
            std::str::from_utf8(text).map_err(|error| Error::UserFunctionError(error.into()))
        }
        ValueRef::Null => Ok(""),
        _ => refuse("a string was expected"),
    }
}

fn float(context: &Context<'_>, at: usize) -> Option<f64> {
    match context.get_raw(at) {
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Real(value) => Some(value),
        _ => None,
    }
}

fn integer(context: &Context<'_>, at: usize) -> Option<i64> {
    match context.get_raw(at) {
        ValueRef::Integer(value) => Some(value),
        // Saturates, and NaN is 0.
        ValueRef::Real(value) => Some(value as i64),
        _ => None,
    }
}

fn short(text: String) -> Result<String> {
    if text.len() > MAX_VALUE { refuse("a value is too long") } else { Ok(text) }
}

/// Adds the functions to a connection.
pub fn register(connection: &Connection) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    macro_rules! function {
        ($name:literal, $count:literal, $body:expr) => {
            connection.create_scalar_function($name, $count, pure, $body)?
        };
    }
    function!("ae_add_months", 3, |c: &Context<'_>| {
        let zone = text(c, 2)?;
        Ok(integer(c, 0).zip(integer(c, 1)).and_then(|(at, months)| time::add_months(at, months, zone)))
    });
    function!("ae_start", 4, |c: &Context<'_>| {
        let (unit, zone) = (text(c, 2)?, text(c, 3)?);
        Ok(integer(c, 0).zip(integer(c, 1)).and_then(|(at, count)| time::start(at, count, unit, zone)))
    });
    function!("ae_part", 3, |c: &Context<'_>| {
        let (what, zone) = (text(c, 1)?, text(c, 2)?);
        Ok(integer(c, 0).and_then(|at| time::part(at, what, zone)))
    });
    function!("ae_show_time", 2, |c: &Context<'_>| {
        let zone = text(c, 1)?;
        Ok(integer(c, 0).and_then(|at| time::show(at, zone)))
    });
    function!("ae_format_time", 3, |c: &Context<'_>| {
        let (pattern, zone) = (text(c, 1)?, text(c, 2)?);
        Ok(integer(c, 0).and_then(|at| time::format(at, pattern, zone)))
    });
    function!("ae_parse_time", 2, |c: &Context<'_>| {
        let (given, zone) = (text(c, 0)?, text(c, 1)?);
        match time::parse(given, zone) {
            Some(seconds) => Ok(seconds),
            None => refuse(format!("toDateTime cannot read {given:?}")),
        }
    });
    function!("ae_length", 1, |c: &Context<'_>| Ok(text(c, 0)?.chars().count() as i64));
    function!("ae_lower", 1, |c: &Context<'_>| short(text(c, 0)?.to_lowercase()));
    function!("ae_upper", 1, |c: &Context<'_>| short(text(c, 0)?.to_uppercase()));
    function!("ae_starts_with", 2, |c: &Context<'_>| Ok(text(c, 0)?.starts_with(text(c, 1)?)));
    function!("ae_ends_with", 2, |c: &Context<'_>| Ok(text(c, 0)?.ends_with(text(c, 1)?)));
    function!("ae_position", 2, |c: &Context<'_>| Ok(position(text(c, 0)?, text(c, 1)?)));
    function!("ae_substring", 3, |c: &Context<'_>| {
        let (from, length) = (integer(c, 1).unwrap_or(1), integer(c, 2).unwrap_or(0));
        Ok(substring(text(c, 0)?, from, length))
    });
    function!("ae_like", 3, |c: &Context<'_>| {
        let (value, pattern) = (text(c, 0)?, text(c, 1)?);
        if pattern.len() > MAX_PATTERN {
            return refuse(format!("a pattern may have at most {MAX_PATTERN} bytes"));
        }
        Ok(match integer(c, 2) {
            Some(1) => like(&value.to_lowercase(), &pattern.to_lowercase()),
            _ => like(value, pattern),
        })
    });
    function!("ae_format", -1, format);
    function!("ae_uint", 2, |c: &Context<'_>| unsigned(c));
    function!("ae_mod", 2, |c: &Context<'_>| Ok(float(c, 0).zip(float(c, 1)).map(|(a, b)| a % b)));
    function!("ae_log", 1, |c: &Context<'_>| Ok(float(c, 0).map(f64::ln)));
    function!("ae_pow", 2, |c: &Context<'_>| Ok(float(c, 0).zip(float(c, 1)).map(|(a, b)| a.powf(b))));
    function!("ae_round", 2, |c: &Context<'_>| Ok(rounded(c, f64::round_ties_even)));
    function!("ae_floor", 2, |c: &Context<'_>| Ok(rounded(c, f64::floor)));
    function!("ae_ceil", 2, |c: &Context<'_>| Ok(rounded(c, f64::ceil)));
    function!("ae_bit", 4, |c: &Context<'_>| {
        let operation = text(c, 0)?;
        Ok(integer(c, 1)
            .zip(integer(c, 2))
            .zip(integer(c, 3))
            .and_then(|((a, b), bits)| bit(operation, a, b, bits)))
    });
    function!("ae_bit_count", 1, |c: &Context<'_>| {
        Ok(match c.get_raw(0) {
            ValueRef::Integer(value) => Some(i64::from(value.count_ones())),
            ValueRef::Real(value) => Some(i64::from(value.to_bits().count_ones())),
            _ => None,
        })
    });
    function!("ae_hex", 2, |c: &Context<'_>| shown(c, |byte| format!("{byte:02X}")));
    function!("ae_bin", 2, |c: &Context<'_>| shown(c, |byte| format!("{byte:08b}")));
    Ok(())
}

/// Where `what` begins in `of`, counted from 1 in characters; 0 when it is not there.
fn position(of: &str, what: &str) -> i64 {
    of.find(what).map_or(0, |at| of[..at].chars().count() as i64 + 1)
}

/// From 1 on; a negative place counts from the end, a negative length leaves as many out there.
fn substring(of: &str, from: i64, length: i64) -> String {
    let count = of.chars().count() as i64;
    let start = match from {
        0 => return String::new(),
        from if from > 0 => from - 1,
        from => (count + from).max(0),
    };
    let end = if length < 0 { count + length } else { start.saturating_add(length) };
    let taken = usize::try_from(end - start).unwrap_or(0);
    of.chars().skip(usize::try_from(start).unwrap_or(usize::MAX)).take(taken).collect()
}

/// `%` is any string, `_` any character, a backslash takes both literally. It goes back to the last `%` only, so its
/// time is at most the product of both lengths.
fn like(value: &str, pattern: &str) -> bool {
    let value: Vec<char> = value.chars().collect();
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        parts.push(match char {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            other => Part::Char(other),
        });
    }
    let (mut at, mut part) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < value.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                part += 1;
                back = Some((at, part));
            }
            Some(Part::One) => {
                at += 1;
                part += 1;
            }
            Some(Part::Char(char)) if *char == value[at] => {
                at += 1;
                part += 1;
            }
            _ => match &mut back {
                Some((from, after)) => {
                    *from += 1;
                    (at, part) = (*from, *after);
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|part| matches!(part, Part::Any))
}

enum Part {
    Any,
    One,
    Char(char),
}

fn format(context: &Context<'_>) -> Result<String> {
    let mut out = String::new();
    for (at, piece) in text(context, 0)?.split("{}").enumerate() {
        if at > 0 {
            match context.get_raw(at) {
                ValueRef::Integer(value) => out.push_str(&value.to_string()),
                ValueRef::Real(value) => out.push_str(&value.to_string()),
                ValueRef::Text(_) => out.push_str(text(context, at)?),
                ValueRef::Null | ValueRef::Blob(_) => {}
            }
        }
        out.push_str(piece);
        if out.len() > MAX_VALUE {
            return refuse("a value is too long");
        }
    }
    Ok(out)
}

/// A number, or a string that is one, as ClickHouse casts it: what does not fit wraps around.
fn unsigned(context: &Context<'_>) -> Result<i64> {
    let value = match context.get_raw(0) {
        ValueRef::Text(_) => {
            let given = text(context, 0)?;
            match given.trim().parse::<f64>() {
                Ok(value) => value as i64,
                Err(_) => return refuse(format!("{given:?} is no number")),
            }
        }
        _ => integer(context, 0).unwrap_or(0),
    };
    Ok(value & if integer(context, 1) == Some(8) { 0xFF } else { 0xFFFF_FFFF })
}

fn rounded(context: &Context<'_>, round: fn(f64) -> f64) -> Option<f64> {
    let (value, places) = (float(context, 0)?, integer(context, 1)?);
    let scale = 10_f64.powi(i32::try_from(places.abs()).unwrap_or(0));
    Some(if places >= 0 { round(value * scale) / scale } else { round(value / scale) * scale })
}

/// Bits of unsigned numbers that are so many bits wide.
fn bit(operation: &str, a: i64, b: i64, bits: i64) -> Option<i64> {
    let width = u32::try_from(bits).ok()?;
    let mask = if width >= 64 { u64::MAX } else { (1 << width) - 1 };
    // Two's complement: a negative number is what its bits say.
    let (x, y) = (a as u64 & mask, b as u64 & mask);
    let turn = u32::try_from(b.rem_euclid(bits)).ok()?;
    let rotate = |left: u32| match left {
        0 => x,
        left => (x << left | x >> (width - left)) & mask,
    };
    let shift = u32::try_from(b).ok().filter(|shift| *shift < width);
    let result = match operation {
        "not" => !x & mask,
        "and" => x & y,
        "or" => x | y,
        "xor" => x ^ y,
        "distance" => u64::from((x ^ y).count_ones()),
        "rotate_left" => rotate(turn),
        "rotate_right" => rotate((width - turn) % width),
        "shift_left" => shift.map_or(0, |shift| (x << shift) & mask),
        "shift_right" => shift.map_or(0, |shift| x >> shift),
        "test" => shift.map_or(0, |shift| x >> shift & 1),
        _ => return None,
    };
    Some(result as i64)
}

/// The bytes of a value: of an integer the highest first and no zeros before, of any other number as they lie in memory.
fn shown(context: &Context<'_>, show: fn(&u8) -> String) -> Result<String> {
    let bits = integer(context, 1).unwrap_or(64);
    let bytes = match context.get_raw(0) {
        ValueRef::Integer(value) => {
            let value = if bits >= 64 { value } else { value & ((1 << bits) - 1) };
            let bytes = value.to_be_bytes();
            let zeros = bytes.iter().take(7).take_while(|byte| **byte == 0).count();
            bytes[zeros..].to_vec()
        }
        ValueRef::Real(value) => value.to_le_bytes().to_vec(),
        ValueRef::Text(text) => text.to_vec(),
        ValueRef::Null | ValueRef::Blob(_) => Vec::new(),
    };
    if bytes.len() > MAX_VALUE / 8 {
        return refuse("a value is too long");
    }
    Ok(bytes.iter().map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (value, pattern, expected) in [
            ("error: x", "error%", true),
            ("an error", "error%", false),
            ("photo.jpg", "%.jpg", true),
            ("log12", "log__", true),
            ("log1", "log__", false),
            ("aXbXc", "a%X%c", true),
            ("", "%", true),
            ("", "_", false),
            ("50%", "50\\%", true),
            ("500", "50\\%", false),
            ("üñ", "__", true),
        ] {
            assert_eq!(like(value, pattern), expected, "{value} {pattern}");
        }
        // A pattern that makes others take years.
        assert!(!like(&"a".repeat(10_000), &("%a".repeat(400) + "b")));
    }

    #[test]
    fn characters_are_counted_and_not_bytes() {
        assert_eq!((position("hello: world", ":"), position("üö:", ":"), position("a", "b")), (6, 3, 0));
        assert_eq!(substring("hello world", 7, i64::MAX), "world");
        assert_eq!(
            (substring("hüllo", 2, 2), substring("abc", -2, 1), substring("abc", 0, 9)),
            ("ül".into(), "b".into(), String::new())
        );
        assert_eq!(substring("abc", i64::MIN, i64::MIN), "");
    }

    #[test]
    fn bits_are_as_wide_as_the_type() {
        for (operation, a, b, expected) in [
            ("rotate_left", 1, 1, 2),
            ("rotate_left", 128, 1, 1),
            ("rotate_right", 1, 1, 128),
            ("rotate_right", 12, 2, 3),
            ("shift_left", 128, 1, 0),
            ("shift_right", 12, 2, 3),
            ("shift_left", 1, 64, 0),
            ("test", 3, 1, 1),
            ("not", 1, 1, 254),
            ("distance", 3, 0, 2),
        ] {
            assert_eq!(bit(operation, a, b, 8), Some(expected), "{operation} {a} {b}");
        }
        assert_eq!(bit("not", 0, 0, 64), Some(-1));
    }
}
