//! The types of expressions, with ClickHouse's names.

use std::fmt;

/// A type. How its values lie in SQLite stands beside it.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// 0 or 1; written as `true` and `false`.
    Bool,
    /// INTEGER.
    Int {
        /// Whether it may be negative.
        signed: bool,
        /// 8, 16, 32 or 64.
        bits: u8,
    },
    /// REAL.
    Float,
    /// TEXT.
    Text,
    /// INTEGER: seconds since 1970, shown in a time zone; UTC when None.
    Time(Option<String>),
    /// INTEGER: seconds since 1970 of its midnight in UTC.
    Date,
    /// Never in SQLite: an interval stands beside a time only.
    Interval(i64, Unit),
    /// TEXT: a JSON array.
    Array(Box<Type>),
}

/// The unit of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A calendar year.
    Year,
    /// A calendar month.
    Month,
    /// Monday to Sunday.
    Week,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
    /// A second.
    Second,
}

impl Unit {
    /// Its seconds. None: that depends on the calendar.
    pub fn seconds(self) -> Option<i64> {
        match self {
            Self::Year | Self::Month => None,
            Self::Week => Some(7 * 86_400),
            Self::Day => Some(86_400),
            Self::Hour => Some(3_600),
            Self::Minute => Some(60),
            Self::Second => Some(1),
        }
    }

    /// How the functions that SQLite calls name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Second => "second",
        }
    }
}

impl Type {
    pub(super) const U8: Self = Self::Int { signed: false, bits: 8 };
    pub(super) const U16: Self = Self::Int { signed: false, bits: 16 };
    pub(super) const U32: Self = Self::Int { signed: false, bits: 32 };
    pub(super) const U64: Self = Self::Int { signed: false, bits: 64 };
    pub(super) const I64: Self = Self::Int { signed: true, bits: 64 };

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Bool | Self::Int { .. } | Self::Float)
    }

    pub(super) fn is_time(&self) -> bool {
        matches!(self, Self::Time(_) | Self::Date)
    }

    /// Sign and bits; None for what is no integer.
    pub(super) fn int(&self) -> Option<(bool, u8)> {
        match self {
            Self::Bool => Some((false, 8)),
            Self::Int { signed, bits } => Some((*signed, *bits)),
            _ => None,
        }
    }

    /// Whether JSON has it in quotes, as ClickHouse writes 64-bit integers, which JavaScript's numbers do not hold.
    pub fn is_quoted(&self) -> bool {
        matches!(self, Self::Int { bits: 64, .. })
    }

    /// The value of an empty set.
    pub(super) fn zero(&self) -> &'static str {
        match self {
            Self::Text => "''",
            Self::Array(_) => "'[]'",
            Self::Float => "0.0",
            _ => "0",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("Bool"),
            Self::Int { signed: true, bits } => write!(f, "Int{bits}"),
            Self::Int { signed: false, bits } => write!(f, "UInt{bits}"),
            Self::Float => f.write_str("Float64"),
            Self::Text => f.write_str("String"),
            Self::Time(None) => f.write_str("DateTime"),
            Self::Time(Some(zone)) => write!(f, "DateTime('{zone}')"),
            Self::Date => f.write_str("Date"),
            Self::Interval(..) => f.write_str("Interval"),
            Self::Array(of) => write!(f, "Array({of})"),
        }
    }
}
