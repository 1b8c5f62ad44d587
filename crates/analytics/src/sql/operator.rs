//! Operators, by Cloudflare's list of them.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::expr::{Place, Scope, Translator, Typed};
use super::literal::Constant;
use super::types::Type;
use super::{Result, SqlError};
use crate::engine::time;

/// Translates an expression that is an operator's.
pub fn translate(t: &mut Translator, expr: &Expr, scope: &Scope<'_>, place: Place) -> Result<Typed> {
    match expr {
        Expr::BinaryOp { left, op, right } => {
            let left = t.expr(left, scope, place)?;
            let right = t.expr(right, scope, place)?;
            binary(t, &left, op, &right)
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            let of = t.expr(expr, scope, place)?;
            let bits = of.ty.int().map(|(_, bits)| bits);
            let ty = bits.map_or(Type::Float, |bits| Type::Int { signed: true, bits: (bits * 2).min(64) });
            number(&of, "-")?;
            Ok(Typed::of(format!("(-{})", of.sql), ty, &[&of]))
        }
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            let of = condition(t.expr(expr, scope, place)?)?;
            Ok(Typed::of(format!("(NOT {})", of.sql), Type::U8, &[&of]))
        }
        Expr::Between { expr, negated, low, high } => {
            let of = t.expr(expr, scope, place)?;
            let (low, high) = (t.expr(low, scope, place)?, t.expr(high, scope, place)?);
            let above = compare(t, &of, ">=", &low)?;
            let below = compare(t, &of, "<=", &high)?;
            let not = if *negated { "NOT " } else { "" };
            Ok(Typed::of(format!("({not}({} AND {}))", above.sql, below.sql), Type::U8, &[&above, &below]))
        }
        Expr::InList { expr, list, negated } => {
            let of = t.expr(expr, scope, place)?;
            let mut values = Vec::new();
            let mut aggregate = of.aggregate;
            for value in list {
                let value = t.expr(value, scope, place)?;
                let (_, value) = comparable(&of, &value)?;
                aggregate |= value.aggregate;
                values.push(value.sql);
            }
            let not = if *negated { "NOT " } else { "" };
            let sql = format!("({} {not}IN ({}))", of.sql, values.join(", "));
            Ok(Typed { aggregate, ..Typed::new(sql, Type::U8) })
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            like(t, (expr, pattern), *negated, false, scope, place)
        }
        Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
            like(t, (expr, pattern), *negated, true, scope, place)
        }
        other => Err(SqlError::unsupported(format!("the expression {other}"))),
    }
}

fn like(
    t: &mut Translator,
    (expr, pattern): (&Expr, &Expr),
    negated: bool,
    any_case: bool,
    scope: &Scope<'_>,
    place: Place,
) -> Result<Typed> {
    let of = t.expr(expr, scope, place)?;
    let pattern = t.expr(pattern, scope, place)?;
    if of.ty != Type::Text || pattern.ty != Type::Text {
        return Err(SqlError::new("LIKE compares strings"));
    }
    let not = if negated { "NOT " } else { "" };
    let sql = format!("({not}ae_like({}, {}, {}))", of.sql, pattern.sql, u8::from(any_case));
    Ok(Typed::of(sql, Type::U8, &[&of, &pattern]))
}

fn binary(t: &mut Translator, left: &Typed, op: &BinaryOperator, right: &Typed) -> Result<Typed> {
    let sign = match op {
        BinaryOperator::Plus => "+",
        BinaryOperator::Minus => "-",
        BinaryOperator::Multiply => "*",
        BinaryOperator::Divide => "/",
        BinaryOperator::Modulo => "%",
        BinaryOperator::Eq => "=",
        BinaryOperator::NotEq => "<>",
        BinaryOperator::Lt => "<",
        BinaryOperator::LtEq => "<=",
        BinaryOperator::Gt => ">",
        BinaryOperator::GtEq => ">=",
        BinaryOperator::And => "AND",
        BinaryOperator::Or => "OR",
        other => return Err(SqlError::unsupported(format!("the operator {other}"))),
    };
    match op {
        BinaryOperator::And | BinaryOperator::Or => {
            let (left, right) = (condition(left.clone())?, condition(right.clone())?);
            Ok(Typed::of(format!("({} {sign} {})", left.sql, right.sql), Type::U8, &[&left, &right]))
        }
        BinaryOperator::Plus
        | BinaryOperator::Minus
        | BinaryOperator::Multiply
        | BinaryOperator::Divide
        | BinaryOperator::Modulo => arithmetic(t, left, sign, right),
        _ => compare(t, left, sign, right),
    }
}

fn arithmetic(t: &mut Translator, left: &Typed, sign: &str, right: &Typed) -> Result<Typed> {
    let whole = [left, right];
    match (&left.ty, sign, &right.ty) {
        (time, "+" | "-", Type::Interval(count, unit)) if time.is_time() => {
            let count = if sign == "-" { -count } else { *count };
            Ok(match unit.seconds() {
                Some(seconds) => {
                    let ty = if *time == Type::Date { Type::Time(None) } else { time.clone() };
                    let moved = count
                        .checked_mul(seconds)
                        .ok_or_else(|| SqlError::new("the interval is too long"))?;
                    Typed::of(format!("({} + ({moved}))", left.sql), ty, &whole)
                }
                None => {
                    let months = if unit.name() == "year" { count.saturating_mul(12) } else { count };
                    let zone = zone(t, time);
                    Typed::of(format!("ae_add_months({}, {months}, {zone})", left.sql), time.clone(), &whole)
                }
            })
        }
        (Type::Interval(..), "+", time) if time.is_time() => arithmetic(t, right, sign, left),
        (Type::Interval(..), ..) | (.., Type::Interval(..)) => {
            Err(SqlError::new("an interval can only be added to a time or taken from one"))
        }
        (a, "-", b) if a.is_time() && b.is_time() => {
            let ty = Type::Int { signed: true, bits: 32 };
            Ok(Typed::of(format!("({} - {})", left.sql, right.sql), ty, &whole))
        }
        (a, "+" | "-", b) if a.is_time() && b.int().is_some() => {
            // A date counts days.
            let unit = if *a == Type::Date { " * 86400" } else { "" };
            Ok(Typed::of(format!("({} {sign} {}{unit})", left.sql, right.sql), a.clone(), &whole))
        }
        _ => {
            number(left, sign)?;
            number(right, sign)?;
            let ty = result_type(&left.ty, sign, &right.ty);
            let (a, b) = (&left.sql, &right.sql);
            let sql = match (sign, &ty) {
                ("/", _) => format!("(CAST({a} AS REAL) / {b})"),
                ("%", Type::Float) => format!("ae_mod({a}, {b})"),
                _ => format!("({a} {sign} {b})"),
            };
            Ok(Typed::of(sql, ty, &whole))
        }
    }
}

/// The type of a result, as ClickHouse widens it (its documentation of arithmetic functions).
fn result_type(left: &Type, sign: &str, right: &Type) -> Type {
    let (Some((a_signed, a)), Some((b_signed, b))) = (left.int(), right.int()) else { return Type::Float };
    let wider = (a.max(b).saturating_mul(2)).min(64);
    match sign {
        "/" => Type::Float,
        "%" => Type::Int { signed: a_signed, bits: b },
        "-" => Type::Int { signed: true, bits: wider },
        _ => Type::Int { signed: a_signed || b_signed, bits: wider },
    }
}

/// Compares two values.
pub fn compare(_: &mut Translator, left: &Typed, sign: &str, right: &Typed) -> Result<Typed> {
    let (left, right) = comparable(left, right)?;
    Ok(Typed::of(format!("({} {sign} {})", left.sql, right.sql), Type::U8, &[&left, &right]))
}

/// Two values as they can be compared: a string beside a time is read as one.
fn comparable(left: &Typed, right: &Typed) -> Result<(Typed, Typed)> {
    let fits = match (&left.ty, &right.ty) {
        (a, b) if a.is_number() && b.is_number() => true,
        (a, b) if a.is_time() && (b.is_time() || b.int().is_some()) => true,
        (a, b) if b.is_time() && a.int().is_some() => true,
        (Type::Text, Type::Text) => true,
        (a, Type::Text) if a.is_time() => return Ok((left.clone(), read_time(right, a)?)),
        (Type::Text, b) if b.is_time() => return Ok((read_time(left, b)?, right.clone())),
        _ => false,
    };
    if fits {
        return Ok((left.clone(), right.clone()));
    }
    Err(SqlError::new(format!("a {} cannot be compared with a {}", left.ty, right.ty)))
}

fn read_time(text: &Typed, ty: &Type) -> Result<Typed> {
    let Some(Constant::Text(value)) = &text.constant else {
        return Err(SqlError::new("a string cannot be compared with a time: use toDateTime"));
    };
    let zone = match ty {
        Type::Time(zone) => zone.as_deref().unwrap_or("UTC"),
        _ => "UTC",
    };
    let seconds = time::parse(value, zone).ok_or_else(|| SqlError::new(format!("{value:?} is no time")))?;
    Ok(Typed::new(format!("({seconds})"), ty.clone()))
}

/// The zone of a time, as functions of SQLite get it.
pub fn zone(t: &mut Translator, ty: &Type) -> String {
    match ty {
        Type::Time(Some(zone)) => t.text(zone),
        _ => t.text("UTC"),
    }
}

/// A value that `WHERE` and the like can use.
///
/// # Errors
/// When it is neither true nor false.
pub fn condition(typed: Typed) -> Result<Typed> {
    match typed.ty.is_number() {
        true => Ok(typed),
        false => Err(SqlError::new(format!("a condition is expected where a {} stands", typed.ty))),
    }
}

/// Refuses what is no number.
///
/// # Errors
/// Says who wanted one.
pub fn number(typed: &Typed, who: &str) -> Result<()> {
    match typed.ty.is_number() {
        true => Ok(()),
        false => Err(SqlError::new(format!("{who} wants a number, not a {}", typed.ty))),
    }
}
