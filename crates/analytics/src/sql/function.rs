//! Functions of one row, by Cloudflare's list of them.

use sqlparser::ast::DateTimeField;

use super::check::Call;
use super::expr::{Place, Scope, Translator, Typed};
use super::literal::{self, Constant};
use super::operator::{condition, number, zone};
use super::types::{Type, Unit};
use super::{Result, SqlError};
use crate::engine::time;

/// Translates a call.
///
/// # Errors
/// A function that is not known, by its name, and arguments that do not fit.
pub fn translate(t: &mut Translator, call: &Call<'_>, scope: &Scope<'_>, place: Place) -> Result<Typed> {
    let name = call.name.as_str();
    if call.distinct || !call.parameters.is_empty() {
        return Err(SqlError::unsupported(format!("this form of {name}")));
    }
    let mut arguments = Vec::new();
    for argument in &call.arguments {
        arguments.push(t.expr(argument, scope, place)?);
    }
    let has_interval = arguments.iter().any(|argument| matches!(argument.ty, Type::Interval(..)));
    if has_interval && name != "tostartofinterval" {
        return Err(wrong(name));
    }
    let done = match name {
        "now" | "today" => current(t, name, &arguments),
        "if" => choice(&arguments),
        "intdiv" | "log" | "ln" | "pow" | "power" | "round" | "floor" | "ceil" | "ceiling" => {
            mathematical(name, &arguments)
        }
        "touint8" => unsigned(&arguments, Type::U8, 8),
        "touint32" => unsigned(&arguments, Type::U32, 32),
        _ if name.starts_with("bit") => bits(name, &arguments),
        "bin" | "hex" => match arguments.as_slice() {
            [of] if !matches!(of.ty, Type::Array(_)) => {
                Ok(Typed::new(format!("ae_{name}({}, {})", of.sql, width(&of.ty)), Type::Text))
            }
            _ => Err(wrong(name)),
        },
        _ => match textual(name, &arguments)? {
            Some(typed) => Ok(typed),
            None => {
                timely(t, name, &arguments)?.ok_or_else(|| SqlError::new(format!("unknown function: {name}")))
            }
        },
    };
    let aggregate = arguments.iter().any(|argument| argument.aggregate);
    done.map(|typed| Typed { aggregate: typed.aggregate || aggregate, ..typed })
}

fn wrong(name: &str) -> SqlError {
    SqlError::new(format!("wrong arguments for the function {name}"))
}

fn current(t: &Translator, name: &str, arguments: &[Typed]) -> Result<Typed> {
    if !arguments.is_empty() {
        return Err(wrong(name));
    }
    Ok(match name {
        "now" => Typed::new(format!("({})", t.now), Type::Time(None)),
        _ => Typed::new(format!("({})", t.now - t.now.rem_euclid(86_400)), Type::Date),
    })
}

/// `if(condition, one, other)`.
fn choice(arguments: &[Typed]) -> Result<Typed> {
    let [when, one, other] = arguments else { return Err(wrong("if")) };
    let when = condition(when.clone())?;
    let ty = match (&one.ty, &other.ty) {
        (a, b) if a == b => a.clone(),
        (a, b) if a.is_number() && b.is_number() => match (a.int(), b.int()) {
            (Some((a_signed, a)), Some((b_signed, b))) => {
                // One that may be negative beside one that may not needs a bit more.
                let bits = if a_signed == b_signed { a.max(b) } else { a.max(b).saturating_mul(2).min(64) };
                Type::Int { signed: a_signed || b_signed, bits }
            }
            _ => Type::Float,
        },
        (a, b) if a.is_time() && b.is_time() => Type::Time(None),
        (a, b) => return Err(SqlError::new(format!("if cannot give a {a} or a {b}"))),
    };
    Ok(Typed::new(format!("iif({}, {}, {})", when.sql, one.sql, other.sql), ty))
}

fn mathematical(name: &str, arguments: &[Typed]) -> Result<Typed> {
    for argument in arguments {
        number(argument, name)?;
    }
    match (name, arguments) {
        ("intdiv", [a, b]) => Ok(match (a.ty.int(), b.ty.int()) {
            (Some((a_signed, bits)), Some((b_signed, _))) => Typed::new(
                format!("({} / {})", a.sql, b.sql),
                Type::Int { signed: a_signed || b_signed, bits },
            ),
            _ => Typed::new(format!("CAST(CAST({} AS REAL) / {} AS INTEGER)", a.sql, b.sql), Type::I64),
        }),
        ("log" | "ln", [of]) => Ok(Typed::new(format!("ae_log({})", of.sql), Type::Float)),
        ("pow" | "power", [base, to]) => {
            Ok(Typed::new(format!("ae_pow({}, {})", base.sql, to.sql), Type::Float))
        }
        ("round" | "floor" | "ceil" | "ceiling", [of, rest @ ..]) => {
            let places = match rest {
                [] => 0,
                [places] => match places.constant {
                    Some(Constant::Int(places)) if places.abs() <= 20 => places,
                    _ => return Err(SqlError::new(format!("{name} wants a whole number of places"))),
                },
                _ => return Err(wrong(name)),
            };
            let function = if name == "ceiling" { "ceil" } else { name };
            if of.ty.int().is_some() && places >= 0 {
                return Ok(of.clone());
            }
            let sql = format!("ae_{function}({}, {places})", of.sql);
            Ok(match of.ty {
                Type::Float => Typed::new(sql, Type::Float),
                _ => Typed::new(format!("CAST({sql} AS INTEGER)"), of.ty.clone()),
            })
        }
        _ => Err(wrong(name)),
    }
}

fn unsigned(arguments: &[Typed], ty: Type, bits: u8) -> Result<Typed> {
    match arguments {
        [of] if of.ty.is_number() || of.ty.is_time() || of.ty == Type::Text => {
            // A date counts days.
            let sql = if of.ty == Type::Date { format!("({} / 86400)", of.sql) } else { of.sql.clone() };
            let fits =
                matches!(of.ty.int(), Some((false, has)) if has <= bits) || bits == 32 && of.ty.is_time();
            Ok(Typed::new(if fits { sql } else { format!("ae_uint({sql}, {bits})") }, ty))
        }
        _ => Err(wrong(&format!("toUInt{bits}"))),
    }
}

/// How many bits a value is said to have.
fn width(ty: &Type) -> u8 {
    ty.int().map_or(64, |(_, bits)| bits)
}

fn bits(name: &str, arguments: &[Typed]) -> Result<Typed> {
    for argument in arguments {
        number(argument, name)?;
    }
    let operation = match (name, arguments.len()) {
        ("bitcount", 1) => return Ok(Typed::new(format!("ae_bit_count({})", arguments[0].sql), Type::U8)),
        ("bitnot", 1) => "not",
        ("bitand", 2) => "and",
        ("bitor", 2) => "or",
        ("bitxor", 2) => "xor",
        ("bithammingdistance", 2) => "distance",
        ("bitrotateleft", 2) => "rotate_left",
        ("bitrotateright", 2) => "rotate_right",
        ("bitshiftleft", 2) => "shift_left",
        ("bitshiftright", 2) => "shift_right",
        ("bittest", 2) => "test",
        ("bitnot" | "bitcount" | "bitand" | "bitor" | "bitxor" | "bithammingdistance", _)
        | ("bitrotateleft" | "bitrotateright" | "bitshiftleft" | "bitshiftright" | "bittest", _) => {
            return Err(wrong(name));
        }
        _ => return Err(SqlError::new(format!("unknown function: {name}"))),
    };
    let (a, b) = (&arguments[0], arguments.get(1).unwrap_or(&arguments[0]));
    let bits = match operation {
        "and" | "or" | "xor" | "distance" => width(&a.ty).max(width(&b.ty)),
        _ => width(&a.ty),
    };
    let ty = match operation {
        "test" | "distance" => Type::U8,
        _ => Type::Int { signed: false, bits },
    };
    Ok(Typed::new(format!("ae_bit('{operation}', {}, {}, {bits})", a.sql, b.sql), ty))
}

fn textual(name: &str, arguments: &[Typed]) -> Result<Option<Typed>> {
    let text = |typed: &Typed| match typed.ty {
        Type::Text => Ok(typed.sql.clone()),
        _ => Err(SqlError::new(format!("{name} wants a string, not a {}", typed.ty))),
    };
    let typed = match (name, arguments) {
        ("length", [of]) => Typed::new(format!("ae_length({})", text(of)?), Type::U64),
        ("empty", [of]) => Typed::new(format!("({} = '')", text(of)?), Type::U8),
        ("lower", [of]) => Typed::new(format!("lower({})", text(of)?), Type::Text),
        ("upper", [of]) => Typed::new(format!("upper({})", text(of)?), Type::Text),
        ("lowerutf8" | "tolower", [of]) => Typed::new(format!("ae_lower({})", text(of)?), Type::Text),
        ("upperutf8" | "toupper", [of]) => Typed::new(format!("ae_upper({})", text(of)?), Type::Text),
        ("startswith", [of, with]) => {
            Typed::new(format!("ae_starts_with({}, {})", text(of)?, text(with)?), Type::U8)
        }
        ("endswith", [of, with]) => {
            Typed::new(format!("ae_ends_with({}, {})", text(of)?, text(with)?), Type::U8)
        }
        ("position", [of, what]) => {
            Typed::new(format!("ae_position({}, {})", text(of)?, text(what)?), Type::U64)
        }
        ("substring", [of, from, rest @ ..]) if rest.len() <= 1 => {
            number(from, name)?;
            let length = match rest {
                [length] => {
                    number(length, name)?;
                    length.sql.as_str()
                }
                _ => "9223372036854775807",
            };
            Typed::new(format!("ae_substring({}, {}, {length})", text(of)?, from.sql), Type::Text)
        }
        ("format", [pattern, values @ ..]) => format(pattern, values)?,
        (
            "length" | "empty" | "lower" | "upper" | "lowerutf8" | "tolower" | "upperutf8" | "toupper"
            | "startswith" | "endswith" | "position" | "substring" | "format",
            _,
        ) => return Err(wrong(name)),
        _ => return Ok(None),
    };
    Ok(Some(typed))
}

/// `format('{} of {}', a, b)`.
fn format(pattern: &Typed, values: &[Typed]) -> Result<Typed> {
    let Some(Constant::Text(text)) = &pattern.constant else {
        return Err(SqlError::new("format wants a string that stands in the query"));
    };
    let holes = text.matches("{}").count();
    if text.replace("{}", "").contains(['{', '}']) || holes != values.len() {
        return Err(SqlError::new("format wants as many {} as there are values, and no other { or }"));
    }
    let mut shown = vec![pattern.sql.clone()];
    for value in values {
        shown.push(match &value.ty {
            Type::Time(zone) => {
                // Zones are names out of a list: no text of a tenant.
                format!("ae_show_time({}, '{}')", value.sql, zone.as_deref().unwrap_or("UTC"))
            }
            Type::Date => format!("substr(ae_show_time({}, 'UTC'), 1, 10)", value.sql),
            _ => value.sql.clone(),
        });
    }
    Ok(Typed::new(format!("ae_format({})", shown.join(", ")), Type::Text))
}

/// `extract(HOUR FROM time)`.
pub fn extract(t: &mut Translator, field: &DateTimeField, of: &Typed) -> Result<Typed> {
    let unit = literal::unit(field).filter(|unit| *unit != Unit::Week);
    let unit = unit.ok_or_else(|| SqlError::unsupported(format!("extract {field}")))?;
    part(t, "extract", unit.name(), of)
}

fn part(t: &mut Translator, name: &str, what: &str, of: &Typed) -> Result<Typed> {
    let time = timed(name, of)?;
    let zone = zone(t, &of.ty);
    let ty = match what {
        "year" => Type::U16,
        "year_month" => Type::U32,
        _ => Type::U8,
    };
    Ok(Typed::of(format!("ae_part({time}, '{what}', {zone})"), ty, &[of]))
}

fn timed<'a>(name: &str, of: &'a Typed) -> Result<&'a str> {
    match of.ty.is_time() {
        true => Ok(&of.sql),
        false => Err(SqlError::new(format!("{name} wants a time, not a {}", of.ty))),
    }
}

fn timely(t: &mut Translator, name: &str, arguments: &[Typed]) -> Result<Option<Typed>> {
    let parts = match name {
        "toyear" => Some("year"),
        "tomonth" => Some("month"),
        "todayofmonth" => Some("day"),
        "todayofweek" => Some("day_of_week"),
        "tohour" => Some("hour"),
        "tominute" => Some("minute"),
        "tosecond" => Some("second"),
        "toyyyymm" => Some("year_month"),
        _ => None,
    };
    let starts = match name {
        "tostartofyear" => Some((1, Unit::Year)),
        "tostartofmonth" => Some((1, Unit::Month)),
        "tostartofweek" => Some((1, Unit::Week)),
        "tostartofday" => Some((1, Unit::Day)),
        "tostartofhour" => Some((1, Unit::Hour)),
        "tostartoffifteenminutes" => Some((15, Unit::Minute)),
        "tostartoftenminutes" => Some((10, Unit::Minute)),
        "tostartoffiveminutes" => Some((5, Unit::Minute)),
        "tostartofminute" => Some((1, Unit::Minute)),
        _ => None,
    };
    let typed = match (name, arguments) {
        (_, [of]) if parts.is_some() => part(t, name, parts.unwrap_or_default(), of)?,
        (_, [of]) if starts.is_some() => {
            let (count, unit) = starts.unwrap_or((1, Unit::Minute));
            start(t, name, of, count, unit, None)?
        }
        ("tostartofinterval", [of, interval, rest @ ..]) if rest.len() <= 1 => {
            let Type::Interval(count, unit) = interval.ty else { return Err(wrong(name)) };
            if count < 1 {
                return Err(SqlError::new("the interval must be longer than nothing"));
            }
            start(t, name, of, count, unit, rest.first())?
        }
        ("tounixtimestamp", [of]) => Typed::new(timed(name, of)?, Type::U32),
        ("todatetime", [of, rest @ ..]) if rest.len() <= 1 => to_time(t, of, rest.first())?,
        ("formatdatetime", [of, pattern, rest @ ..]) if rest.len() <= 1 => {
            let time = timed(name, of)?;
            let Some(Constant::Text(text)) = &pattern.constant else {
                return Err(SqlError::new("formatDateTime wants a format that stands in the query"));
            };
            time::check_format(text).map_err(SqlError::new)?;
            let zone = match rest {
                [named] => zone_named(t, named)?.1,
                _ => zone(t, &of.ty),
            };
            Typed::new(format!("ae_format_time({time}, {}, {zone})", pattern.sql), Type::Text)
        }
        ("tostartofinterval" | "tounixtimestamp" | "todatetime" | "formatdatetime", _) => {
            return Err(wrong(name));
        }
        _ if parts.is_some() || starts.is_some() => return Err(wrong(name)),
        _ => return Ok(None),
    };
    Ok(Some(typed))
}

/// A time zone's name, and as functions of SQLite get it.
fn zone_named(t: &mut Translator, typed: &Typed) -> Result<(String, String)> {
    let Some(Constant::Text(name)) = &typed.constant else {
        return Err(SqlError::new("a time zone must stand in the query"));
    };
    let name = time::zone(name).ok_or_else(|| SqlError::new(format!("unknown time zone: {name}")))?;
    let sql = t.text(&name);
    Ok((name, sql))
}

fn start(
    t: &mut Translator,
    name: &str,
    of: &Typed,
    count: i64,
    unit: Unit,
    named: Option<&Typed>,
) -> Result<Typed> {
    let time = timed(name, of)?;
    let (ty, zone) = match (named, &of.ty) {
        (Some(named), _) => {
            let (name, sql) = zone_named(t, named)?;
            (Type::Time(Some(name)), sql)
        }
        (None, Type::Date) => (Type::Time(None), t.text("UTC")),
        (None, ty) => (ty.clone(), zone(t, ty)),
    };
    let sql = match (unit, unit.seconds(), &ty) {
        // In UTC every hour is as long as another, and no function need be called.
        (Unit::Day | Unit::Hour | Unit::Minute | Unit::Second, Some(seconds), Type::Time(None)) => {
            let step = count.checked_mul(seconds).ok_or_else(|| SqlError::new("the interval is too long"))?;
            format!("({time} / {step} * {step})")
        }
        _ => format!("ae_start({time}, {count}, '{}', {zone})", unit.name()),
    };
    Ok(Typed::of(sql, ty, &[of]))
}

fn to_time(t: &mut Translator, of: &Typed, named: Option<&Typed>) -> Result<Typed> {
    let (name, zone) = match named {
        Some(named) => zone_named(t, named).map(|(name, sql)| (Some(name), sql))?,
        None => (None, t.text("UTC")),
    };
    let ty = Type::Time(name.clone());
    match (&of.ty, &of.constant) {
        (Type::Text, Some(Constant::Text(text))) => {
            let seconds = time::parse(text, name.as_deref().unwrap_or("UTC"));
            let seconds = seconds.ok_or_else(|| SqlError::new(format!("{text:?} is no time")))?;
            Ok(Typed::new(format!("({seconds})"), ty))
        }
        (Type::Text, _) => Ok(Typed::new(format!("ae_parse_time({}, {zone})", of.sql), ty)),
        (of_type, _) if of_type.is_time() => Ok(Typed::new(of.sql.clone(), ty)),
        (of_type, _) if of_type.is_number() => Ok(Typed::new(format!("ae_uint({}, 32)", of.sql), ty)),
        (of_type, _) => Err(SqlError::new(format!("toDateTime cannot read a {of_type}"))),
    }
}
