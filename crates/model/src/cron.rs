//! Cron expressions in Cloudflare's dialect: five fields, UTC, Sunday is 1, `L`, `W` and `#`, and a day that satisfies
//! either of the two day fields when both are restricted. Held against `saffron`, Cloudflare's own parser.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Why an expression was refused; the text is fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid cron expression {expression:?}: {reason}.")]
pub struct CronError {
    expression: String,
    reason: String,
}

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    months: u64,
    days: DayOfMonth,
    weekdays: DayOfWeek,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfMonth {
    Any,
    /// Bit n is day n.
    Set(u64),
    /// So many days before the month's last one.
    Last(i8),
    /// The last Monday to Friday.
    LastWeekday,
    /// The weekday nearest to so many days before the month's last one, within the month.
    NearLast(i8),
    /// The weekday nearest to a day, within the month.
    Near(i8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayOfWeek {
    Any,
    /// Bit n is day n; 1 is Sunday.
    Set(u64),
    /// The month's last one of a weekday.
    Last(u8),
    /// The month's so manieth of a weekday.
    Nth(u8, i8),
}

/// What a field may hold: its name for people, its bounds, and names that stand for its first values.
struct Field {
    name: &'static str,
    min: u8,
    max: u8,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", min: 0, max: 59, names: &[] };
const HOUR: Field = Field { name: "hour", min: 0, max: 23, names: &[] };
const DAY: Field = Field { name: "day of month", min: 1, max: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
const WEEKDAY: Field =
    Field { name: "day of week", min: 1, max: 7, names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] };

/// How far ahead the next time is looked for: `29 2` on a certain weekday comes every 28 years, 40 around 2100.
const HORIZON_DAYS: i32 = 41 * 366;

impl Field {
    fn value(&self, text: &str) -> Result<u8, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(position) => self.min + u8::try_from(position).unwrap_or(u8::MAX),
            None => number(text).ok_or_else(|| format!("{text:?} is not a {}", self.name))?,
        };
        if (self.min..=self.max).contains(&value) {
            Ok(value)
        } else {
            Err(format!("{value} is not a {}: it goes from {} to {}", self.name, self.min, self.max))
        }
    }

    /// Lists of values, ranges and steps as bits. A range may go past the end and begin anew.
    fn set(&self, text: &str) -> Result<u64, String> {
        text.split(',').try_fold(0, |bits, part| Ok(bits | self.part(part)?))
    }

    fn part(&self, text: &str) -> Result<u64, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (text, None),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (self.min, self.max),
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            None => {
                let first = self.value(range)?;
                (first, if step.is_some() { self.max } else { first })
            }
        };
        let size = self.max - self.min + 1;
        let length = if first <= last { last - first } else { size - first + last };
        let offsets = (0..=length).step_by(usize::from(step.unwrap_or(1)));
        Ok(offsets.fold(0, |bits, offset| bits | 1 << ((first - self.min + offset) % size + self.min)))
    }

    fn step(&self, text: &str) -> Result<u8, String> {
        let step = number(text).filter(|step| (1..=self.max).contains(step));
        step.ok_or_else(|| format!("{text:?} is not a step of a {}", self.name))
    }
}

fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl DayOfMonth {
    fn parse(text: &str) -> Result<Self, String> {
        let back = |text: &str| {
            let days = number(text).filter(|days| (1..=30).contains(days));
            days.map(|days| days as i8)
                .ok_or_else(|| format!("{text:?} is not a number of days before the last"))
        };
        match text {
            "*" => Ok(Self::Any),
            "L" => Ok(Self::Last(0)),
            "LW" => Ok(Self::LastWeekday),
            _ => match (text.strip_prefix("L-"), text.strip_suffix('W')) {
                (Some(rest), Some(_)) => Ok(Self::NearLast(back(rest.trim_end_matches('W'))?)),
                (Some(rest), None) => Ok(Self::Last(back(rest)?)),
                (None, Some(day)) => Ok(Self::Near(DAY.value(day)? as i8)),
                (None, None) => DAY.set(text).map(Self::Set),
            },
        }
    }

    fn contains(self, date: Date) -> bool {
        let last = date.days_in_month();
        match self {
            Self::Any => true,
            Self::Set(bits) => bits >> date.day() & 1 == 1,
            Self::Last(back) => date.day() + back == last,
            Self::LastWeekday => date.day() == nearest_weekday(date, last),
            Self::NearLast(back) => last > back && date.day() == nearest_weekday(date, last - back),
            Self::Near(day) => day <= last && date.day() == nearest_weekday(date, day),
        }
    }
}

/// The Monday to Friday nearest to a day of the date's month, in the same month.
fn nearest_weekday(date: Date, day: i8) -> i8 {
    let Ok(target) = Date::new(date.year(), date.month(), day) else { return 0 };
    match target.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == date.days_in_month() => day - 2,
        Weekday::Sunday => day + 1,
        _ => day,
    }
}

impl DayOfWeek {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if text == "L" {
            return Ok(Self::Set(1 << 7));
        }
        if let Some((day, nth)) = text.split_once('#') {
            let number = number(nth).filter(|nth| (1..=5).contains(nth));
            let nth = number.ok_or_else(|| format!("a month has no {nth:?}th of a weekday"))?;
            return Ok(Self::Nth(WEEKDAY.value(day)?, nth as i8));
        }
        match text.strip_suffix('L') {
            Some(day) => Ok(Self::Last(WEEKDAY.value(day)?)),
            None => WEEKDAY.set(text).map(Self::Set),
        }
    }

    fn contains(self, date: Date) -> bool {
        let weekday = date.weekday().to_sunday_one_offset() as u8;
        match self {
            Self::Any => true,
            Self::Set(bits) => bits >> weekday & 1 == 1,
            Self::Last(day) => day == weekday && date.day() + 7 > date.days_in_month(),
            Self::Nth(day, nth) => day == weekday && (date.day() - 1) / 7 + 1 == nth,
        }
    }
}

impl Cron {
    /// The expression as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it names the minute in which a moment lies.
    pub fn matches(&self, time: Timestamp) -> bool {
        let at = time.to_zoned(TimeZone::UTC).datetime();
        self.has_date(at.date()) && self.hours >> at.hour() & 1 == 1 && self.minutes >> at.minute() & 1 == 1
    }

    /// The first moment after `time` that it names, to the minute. None: it never comes again.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let from = time.to_zoned(TimeZone::UTC).datetime();
        let mut date = from.date();
        for _ in 0..HORIZON_DAYS {
            if self.has_date(date) {
                let minutes = (0..24).flat_map(|hour| (0..60).map(move |minute| date.at(hour, minute, 0, 0)));
                let named =
                    |at: &DateTime| self.hours >> at.hour() & 1 == 1 && self.minutes >> at.minute() & 1 == 1;
                if let Some(at) = minutes.filter(named).find(|at| *at > from) {
                    return at.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    fn has_date(&self, date: Date) -> bool {
        let day = match (self.days, self.weekdays) {
            (days, DayOfWeek::Any) => days.contains(date),
            (DayOfMonth::Any, weekdays) => weekdays.contains(date),
            (days, weekdays) => days.contains(date) || weekdays.contains(date),
        };
        day && self.months >> date.month() & 1 == 1
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let refuse = |reason: String| CronError { expression: text.to_owned(), reason };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else {
            return Err(refuse(format!("it has {} fields and not five", fields.len())));
        };
        Ok(Self {
            text: text.to_owned(),
            minutes: MINUTE.set(minutes).map_err(refuse)?,
            hours: HOUR.set(hours).map_err(refuse)?,
            days: DayOfMonth::parse(days).map_err(refuse)?,
            months: MONTH.set(months).map_err(refuse)?,
            weekdays: DayOfWeek::parse(weekdays).map_err(refuse)?,
        })
    }
}

impl TryFrom<String> for Cron {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, CronError> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
#[path = "cron_tests.rs"]
mod tests;
