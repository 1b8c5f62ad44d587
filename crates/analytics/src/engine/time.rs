//! Calendars: what the functions of times do. Times are seconds since 1970.

use std::fmt::Write;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, db};
use jiff::{Span, Timestamp, Zoned};

/// The time zone of a name, in any case, as the database writes it. None: there is none.
pub fn zone(name: &str) -> Option<String> {
    match name.eq_ignore_ascii_case("utc") {
        true => Some("UTC".to_owned()),
        false => db().get(name).ok().and_then(|zone| zone.iana_name().map(str::to_owned)),
    }
}

/// The names of all time zones.
pub fn zones() -> Vec<String> {
    let mut names: Vec<String> = db().available().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn zoned(seconds: i64, zone: &str) -> Option<Zoned> {
    let zone = if zone == "UTC" { TimeZone::UTC } else { db().get(zone).ok()? };
    Some(Timestamp::from_second(seconds).ok()?.to_zoned(zone))
}

/// Reads `YYYY-MM-DD hh:mm:ss`, `YYYY-MM-DD` or seconds since 1970.
pub fn parse(text: &str, zone: &str) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let bytes = text.as_bytes();
    let civil = match bytes.len() {
        10 => text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()),
        // No zone and no fraction: the reference has them in an argument, or not at all.
        19 if bytes[10] == b' ' || bytes[10] == b'T' => text.parse::<DateTime>().ok()?,
        _ => return None,
    };
    let zone = if zone == "UTC" { TimeZone::UTC } else { db().get(zone).ok()? };
    Some(civil.to_zoned(zone).ok()?.timestamp().as_second())
}

/// `YYYY-MM-DD hh:mm:ss`.
pub fn show(seconds: i64, zone: &str) -> Option<String> {
    let time = zoned(seconds, zone)?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Moves a time by calendar months; the day is cut to the month's last.
pub fn add_months(seconds: i64, months: i64, zone: &str) -> Option<i64> {
    let moved = zoned(seconds, zone)?.checked_add(Span::new().try_months(months).ok()?).ok()?;
    Some(moved.timestamp().as_second())
}

/// A part of a time, by its name.
pub fn part(seconds: i64, what: &str, zone: &str) -> Option<i64> {
    let time = zoned(seconds, zone)?;
    Some(match what {
        "year" => i64::from(time.year()),
        "month" => i64::from(time.month()),
        "day" => i64::from(time.day()),
        "day_of_week" => i64::from(time.weekday().to_monday_one_offset()),
        "hour" => i64::from(time.hour()),
        "minute" => i64::from(time.minute()),
        "second" => i64::from(time.second()),
        "year_month" => i64::from(time.year()) * 100 + i64::from(time.month()),
        _ => return None,
    })
}

/// The start of the interval of `count` units that a time lies in. Intervals are counted from 1970, weeks from a
/// Monday; days and longer ones by the zone's calendar.
pub fn start(seconds: i64, count: i64, unit: &str, zone: &str) -> Option<i64> {
    let time = zoned(seconds, zone)?;
    let floor = |value: i64| value - value.rem_euclid(count);
    let date = match unit {
        "year" => Date::new(i16::try_from(floor(i64::from(time.year()))).ok()?.max(1), 1, 1).ok()?,
        "month" => {
            let months = floor((i64::from(time.year()) - 1970) * 12 + i64::from(time.month()) - 1);
            let year = i16::try_from(1970 + months.div_euclid(12)).ok()?;
            Date::new(year, i8::try_from(months.rem_euclid(12)).ok()? + 1, 1).ok()?
        }
        "week" => {
            // The first Monday of 1970 was the fifth of January.
            let weeks = floor((days(time.date())? - 4).div_euclid(7));
            date_of(weeks * 7 + 4)?
        }
        "day" => date_of(floor(days(time.date())?))?,
        other => {
            let step = count.checked_mul(match other {
                "hour" => 3600,
                "minute" => 60,
                _ => 1,
            })?;
            // By the zone's clock, since not all of them are whole hours off.
            let offset = i64::from(time.offset().seconds());
            let local = seconds + offset;
            return Some(local - local.rem_euclid(step) - offset);
        }
    };
    Some(date.to_zoned(time.time_zone().clone()).ok()?.timestamp().as_second())
}

fn epoch() -> Date {
    jiff::civil::date(1970, 1, 1)
}

fn days(date: Date) -> Option<i64> {
    Some(i64::from(date.since(epoch()).ok()?.get_days()))
}

fn date_of(days: i64) -> Option<Date> {
    epoch().checked_add(Span::new().try_days(days).ok()?).ok()
}

/// Checks the format of [`format`].
///
/// # Errors
/// What is not supported, for the caller.
pub fn check_format(pattern: &str) -> Result<(), String> {
    let probe = zoned(0, "UTC").ok_or("no time zone")?;
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        if char == '%' {
            let code = rest.next().ok_or("the format ends with a %")?;
            let mut nothing = String::new();
            if !code_of(&mut nothing, &probe, code) {
                return Err(format!("formatDateTime does not know %{code}"));
            }
        }
    }
    Ok(())
}

/// Writes a time by a format of ClickHouse's `formatDateTime`.
pub fn format(seconds: i64, pattern: &str, zone: &str) -> Option<String> {
    let time = zoned(seconds, zone)?;
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars();
    while let Some(char) = rest.next() {
        match char {
            '%' => {
                code_of(&mut out, &time, rest.next()?);
            }
            other => out.push(other),
        }
    }
    Some(out)
}

/// ClickHouse's codes: `%i` are minutes and `%M` is a month's name there. False: there is no such code.
fn code_of(out: &mut String, time: &Zoned, code: char) -> bool {
    let pattern = match code {
        'a' => "%a",
        'b' => "%b",
        'C' => "%C",
        'd' => "%d",
        'D' => "%m/%d/%y",
        'e' => "%e",
        'F' => "%Y-%m-%d",
        'G' => "%G",
        'g' => "%g",
        'h' | 'I' => "%I",
        'H' => "%H",
        'i' => "%M",
        'j' => "%j",
        'k' => "%k",
        'l' => "%l",
        'm' => "%m",
        'M' => "%B",
        'n' => "\n",
        'p' => "%p",
        'r' => "%I:%M %p",
        'R' => "%H:%M",
        's' | 'S' => "%S",
        't' => "\t",
        'T' => "%H:%M:%S",
        'u' => "%u",
        'V' => "%V",
        'w' => "%w",
        'W' => "%A",
        'y' => "%y",
        'Y' => "%Y",
        'z' => "%z",
        '%' => "%%",
        'f' => "000000",
        'Q' => {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", (time.month() - 1) / 3 + 1);
            return true;
        }
        _ => return false,
    };
    // As above.
    let _ = write!(out, "{}", time.strftime(pattern));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        parse(text, "UTC").unwrap()
    }

    #[test]
    fn times_are_read_in_their_zone() {
        assert_eq!(parse("1981-04-12 12:00:04", "UTC"), Some(355_924_804));
        assert_eq!(parse("355924804", "UTC"), Some(355_924_804));
        assert_eq!(parse("2022-12-01", "UTC"), Some(1_669_852_800));
        assert_eq!(parse("2022-12-01 16:17:00", "America/New_York"), Some(at("2022-12-01 21:17:00")));
        for wrong in ["", "now", "2022-13-01", "2022-12-01 25:00:00", "2022-12-01T00:00:00Z", "-5"] {
            assert_eq!(parse(wrong, "UTC"), None, "{wrong}");
        }
        assert_eq!(
            (zone("america/new_york").as_deref(), zone("Mars/Base")),
            (Some("America/New_York"), None)
        );
    }

    #[test]
    fn intervals_start_where_the_calendar_says() {
        let time = at("2025-10-29 16:55:25");
        for (count, unit, expected) in [
            (1, "year", "2025-01-01 00:00:00"),
            (1, "month", "2025-10-01 00:00:00"),
            (3, "month", "2025-10-01 00:00:00"),
            (1, "week", "2025-10-27 00:00:00"),
            (1, "day", "2025-10-29 00:00:00"),
            (1, "hour", "2025-10-29 16:00:00"),
            (15, "minute", "2025-10-29 16:45:00"),
            (10, "second", "2025-10-29 16:55:20"),
        ] {
            assert_eq!(start(time, count, unit, "UTC"), Some(at(expected)), "{count} {unit}");
        }
        let day = start(time, 1, "day", "America/New_York").unwrap();
        assert_eq!(show(day, "America/New_York").unwrap(), "2025-10-29 00:00:00");
        assert_eq!(start(time, 1, "hour", "Asia/Kathmandu"), Some(at("2025-10-29 16:15:00")));
        assert_eq!(
            show(add_months(at("2025-03-31 10:00:00"), -1, "UTC").unwrap(), "UTC").unwrap(),
            "2025-02-28 10:00:00"
        );
    }

    #[test]
    fn formats_are_clickhouses() {
        let time = at("2025-10-27 16:05:09");
        for (pattern, expected) in [
            ("%Y-%m-%d", "2025-10-27"),
            ("%F %T", "2025-10-27 16:05:09"),
            ("%H:%i:%S %M %W q%Q", "16:05:09 October Monday q4"),
            ("100%% %y%j", "100% 25300"),
        ] {
            assert_eq!(format(time, pattern, "UTC").unwrap(), expected);
            assert_eq!(check_format(pattern), Ok(()));
        }
        assert!(check_format("%").is_err() && check_format("%K").is_err());
    }
}
