//! Values that stand in a query.

use sqlparser::ast::{DateTimeField, Expr, Interval, UnaryOperator, Value};

use super::types::{Type, Unit};
use super::{Result, SqlError};

/// A value of which the text of the query says what it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
}

/// Reads a literal. None: the expression is none.
pub fn read(expr: &Expr) -> Result<Option<Constant>> {
    match expr {
        Expr::Nested(inner) => read(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Ok(match read(expr)? {
            Some(Constant::Int(number)) => Some(Constant::Int(-number)),
            Some(Constant::Float(number)) => Some(Constant::Float(-number)),
            _ => None,
        }),
        Expr::Value(value) => of_value(&value.value).map(Some),
        _ => Ok(None),
    }
}

/// Reads a value of the parser's.
pub fn of_value(value: &Value) -> Result<Constant> {
    Ok(match value {
        Value::Number(text, _) => number(text)?,
        Value::SingleQuotedString(text) => Constant::Text(text.clone()),
        Value::Boolean(value) => Constant::Bool(*value),
        Value::Null => return Err(SqlError::unsupported("NULL")),
        other => return Err(SqlError::unsupported(format!("the literal {other}"))),
    })
}

fn number(text: &str) -> Result<Constant> {
    if let Ok(number) = text.parse::<i64>() {
        return Ok(Constant::Int(number));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Constant::Float(number)),
        _ => Err(SqlError::new(format!("{text} is no number"))),
    }
}

impl Constant {
    /// Its type, as ClickHouse gives it: the smallest that holds it.
    pub fn type_of(&self) -> Type {
        match self {
            Self::Int(number) => {
                let signed = *number < 0;
                let size = if signed { !*number } else { *number };
                let bits = [8_u8, 16, 32].into_iter().find(|bits| size >> (bits - u8::from(signed)) == 0);
                Type::Int { signed, bits: bits.unwrap_or(64) }
            }
            Self::Float(_) => Type::Float,
            Self::Text(_) => Type::Text,
            Self::Bool(_) => Type::Bool,
        }
    }
}

/// `INTERVAL '5' MINUTE`.
pub fn interval(interval: &Interval) -> Result<Type> {
    let Interval { value, leading_field, leading_precision, last_field, fractional_seconds_precision } =
        interval;
    let plain = leading_precision.is_none() && last_field.is_none() && fractional_seconds_precision.is_none();
    let unit = leading_field.as_ref().and_then(unit).filter(|_| plain);
    let unit = unit.ok_or_else(|| {
        SqlError::new("an interval needs one unit: YEAR, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND")
    })?;
    let number = match read(value)? {
        Some(Constant::Int(number)) => Some(number),
        Some(Constant::Text(text)) => text.trim().parse().ok(),
        _ => None,
    };
    // More than a thousand years of any unit is a mistake, and would overflow further on.
    let number = number.filter(|number: &i64| number.unsigned_abs() <= 40_000_000_000);
    number
        .map(|number| Type::Interval(number, unit))
        .ok_or_else(|| SqlError::new("an interval needs a whole number"))
}

/// The unit that a keyword names.
pub fn unit(field: &DateTimeField) -> Option<Unit> {
    Some(match field {
        DateTimeField::Year | DateTimeField::Years => Unit::Year,
        DateTimeField::Month | DateTimeField::Months => Unit::Month,
        DateTimeField::Week(None) | DateTimeField::Weeks => Unit::Week,
        DateTimeField::Day | DateTimeField::Days => Unit::Day,
        DateTimeField::Hour | DateTimeField::Hours => Unit::Hour,
        DateTimeField::Minute | DateTimeField::Minutes => Unit::Minute,
        DateTimeField::Second | DateTimeField::Seconds => Unit::Second,
        _ => return None,
    })
}
