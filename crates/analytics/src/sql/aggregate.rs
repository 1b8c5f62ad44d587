//! Aggregate functions, by Cloudflare's list of them, and `countIf`, `sumIf` and `avgIf` of ClickHouse's.

use std::ops::ControlFlow;

use sqlparser::ast::Expr;

use super::check::Call;
use super::expr::{Place, Scope, Translator, Typed};
use super::literal::{self, Constant};
use super::operator::{condition, number};
use super::types::Type;
use super::{Result, SqlError};

/// Most values that `topK` gives.
const MAX_TOP: i64 = 1_000;

const KNOWN: [&str; 15] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "countif",
    "sumif",
    "avgif",
    "quantileexactweighted",
    "quantileweighted",
    "argmax",
    "argmin",
    "first_value",
    "last_value",
    "topk",
];

/// Whether a function, in lower case, is one of these.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || name == "topkweighted"
}

/// Whether one of these stands anywhere in an expression.
pub fn is_in(expr: &Expr) -> bool {
    let found = |expr: &Expr| match expr {
        Expr::Function(call) => {
            call.name.0.len() == 1 && is_known(&call.name.to_string().to_ascii_lowercase())
        }
        _ => false,
    };
    let mut visit =
        |expr: &Expr| if found(expr) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    sqlparser::ast::visit_expressions(expr, &mut visit).is_break()
}

/// Translates a call.
///
/// # Errors
/// Arguments that do not fit.
pub fn translate(t: &mut Translator, call: &Call<'_>, scope: &Scope<'_>) -> Result<Typed> {
    let mut arguments = Vec::new();
    for argument in &call.arguments {
        let typed = t.expr(argument, scope, Place::Row)?;
        if matches!(typed.ty, Type::Interval(..)) {
            return Err(wrong(call));
        }
        arguments.push(typed);
    }
    let plain = call.parameters.is_empty();
    let may_be_distinct = matches!(call.name.as_str(), "count" | "sum" | "avg");
    if call.distinct && !(may_be_distinct && arguments.len() == 1) {
        return Err(SqlError::unsupported(format!("DISTINCT in {}", call.name)));
    }
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let typed = match (call.name.as_str(), arguments.as_slice()) {
        ("count", []) if plain => Typed::new("count(*)", Type::U64),
        ("count", [of]) if plain => Typed::new(format!("count({distinct}{})", of.sql), Type::U64),
        ("countif", [when]) if plain => {
            let when = condition(when.clone())?;
            Typed::new(format!("coalesce(sum({} <> 0), 0)", when.sql), Type::U64)
        }
        ("sum", [of]) if plain => sum(of, distinct, &of.sql)?,
        ("sumif", [of, when]) if plain => {
            let when = condition(when.clone())?;
            sum(of, "", &format!("iif({}, {}, 0)", when.sql, of.sql))?
        }
        ("avg", [of]) if plain => {
            number(of, "avg")?;
            Typed::new(format!("avg({distinct}{})", of.sql), Type::Float)
        }
        ("avgif", [of, when]) if plain => {
            number(of, "avgIf")?;
            let when = condition(when.clone())?;
            Typed::new(format!("avg(iif({}, {}, NULL))", when.sql, of.sql), Type::Float)
        }
        ("min" | "max", [of]) if plain => {
            let sql = format!("coalesce({}({}), {})", call.name, of.sql, of.ty.zero());
            Typed::new(sql, of.ty.clone())
        }
        ("quantileexactweighted" | "quantileweighted", _) => quantile(call, &arguments)?,
        ("argmax" | "argmin", [what, by]) if plain => {
            let function = if call.name == "argmax" { "ae_arg_max" } else { "ae_arg_min" };
            let sql = format!("coalesce({function}({}, {}), {})", what.sql, by.sql, what.ty.zero());
            Typed::new(sql, what.ty.clone())
        }
        ("first_value" | "last_value", [of]) if plain => {
            let function = if call.name == "first_value" { "ae_first" } else { "ae_last" };
            Typed::new(format!("coalesce({function}({}), {})", of.sql, of.ty.zero()), of.ty.clone())
        }
        ("topk", [of]) => top(call, of, "1")?,
        ("topkweighted", [of, weight]) => {
            number(weight, "topKWeighted")?;
            top(call, of, &weight.sql)?
        }
        _ => return Err(wrong(call)),
    };
    Ok(Typed { aggregate: true, ..typed })
}

fn wrong(call: &Call<'_>) -> SqlError {
    SqlError::new(format!("wrong arguments for the function {}", call.name))
}

fn sum(of: &Typed, distinct: &str, sql: &str) -> Result<Typed> {
    number(of, "sum")?;
    Ok(match of.ty.int() {
        Some((signed, _)) => {
            let ty = Type::Int { signed, bits: 64 };
            Typed::new(format!("coalesce(sum({distinct}{sql}), 0)"), ty)
        }
        None => Typed::new(format!("total({distinct}{sql})"), Type::Float),
    })
}

/// `quantileExactWeighted(q)(value, weight)`, and `quantileWeighted(q, value, weight)` as it was before.
fn quantile(call: &Call<'_>, arguments: &[Typed]) -> Result<Typed> {
    let (level, value, weight) = match (call.parameters.as_slice(), arguments) {
        ([level], [value, weight]) => (literal::read(level)?, value, weight),
        ([], [level, value, weight]) => (level.constant.clone(), value, weight),
        _ => return Err(wrong(call)),
    };
    let level = match level {
        Some(Constant::Float(level)) => level,
        Some(Constant::Int(level)) => level as f64,
        _ => return Err(SqlError::new("a quantile's level is a number from 0 to 1")),
    };
    if !(0.0..=1.0).contains(&level) {
        return Err(SqlError::new("a quantile's level is a number from 0 to 1"));
    }
    number(weight, "a quantile's weight")?;
    if !value.ty.is_number() && !value.ty.is_time() {
        return Err(SqlError::new(format!("a quantile wants numbers, not a {}", value.ty)));
    }
    let sql = format!("ae_quantile({}, {}, {level:e})", value.sql, weight.sql);
    let sql = match value.ty {
        Type::Float => sql,
        _ => format!("CAST({sql} AS INTEGER)"),
    };
    Ok(Typed::new(sql, value.ty.clone()))
}

fn top(call: &Call<'_>, of: &Typed, weight: &str) -> Result<Typed> {
    let count = match call.parameters.as_slice() {
        [] => 10,
        [count] => match literal::read(count)? {
            Some(Constant::Int(count)) if (1..=MAX_TOP).contains(&count) => count,
            _ => return Err(SqlError::new(format!("{} wants a number from 1 to {MAX_TOP}", call.name))),
        },
        _ => return Err(wrong(call)),
    };
    if matches!(of.ty, Type::Array(_)) {
        return Err(wrong(call));
    }
    let ty = Type::Array(Box::new(of.ty.clone()));
    Ok(Typed::new(format!("coalesce(ae_top({}, {weight}, {count}), '[]')", of.sql), ty))
}
