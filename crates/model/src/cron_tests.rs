use chrono::{TimeZone as _, Utc};
use proptest::prelude::*;

use super::*;

fn cron(text: &str) -> Cron {
    text.parse().unwrap()
}

fn after(expression: &str, time: &str) -> String {
    let next = cron(expression).next_after(time.parse().unwrap());
    next.map_or_else(|| "never".to_owned(), |next| next.to_string())
}

#[test]
fn the_next_time_is_after_now_and_on_the_minute() {
    let now = "2026-11-20T12:00:30Z";
    for (expression, expected) in [
        ("* * * * *", "2026-11-20T12:01:00Z"),
        ("0 12 * * *", "2026-11-21T12:00:00Z"),
        ("*/5 * * * *", "2026-11-20T12:05:00Z"),
        ("30 23 31 * *", "2026-12-31T23:30:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ("0 0 L * *", "2026-11-30T00:00:00Z"),
        ("0 0 L-1 * *", "2026-11-29T00:00:00Z"),
        ("0 0 LW 1 *", "2027-01-29T00:00:00Z"),
        ("0 0 22W * *", "2026-11-23T00:00:00Z"),
        ("0 0 * * 1", "2026-11-22T00:00:00Z"),
        ("0 0 * * FRI", "2026-11-27T00:00:00Z"),
        ("0 0 * * 6L", "2026-11-27T00:00:00Z"),
        ("0 0 * * MON#1", "2026-12-07T00:00:00Z"),
        ("0 0 1 * 7", "2026-11-21T00:00:00Z"),
        ("58-2 * * * *", "2026-11-20T12:01:00Z"),
        ("0 0 31 11 *", "never"),
    ] {
        assert_eq!(after(expression, now), expected, "{expression}");
    }
}

#[test]
fn what_is_no_expression_is_refused_and_says_why() {
    for (text, fragment) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("60 * * * *", "from 0 to 59"),
        ("* 24 * * *", "from 0 to 23"),
        ("* * 0 * *", "from 1 to 31"),
        ("* * * 13 *", "from 1 to 12"),
        ("* * * * 0", "from 1 to 7"),
        ("* * * * 8", "from 1 to 7"),
        ("a * * * *", "not a minute"),
        ("*/0 * * * *", "not a step"),
        ("1,,2 * * * *", "not a minute"),
        ("* * * * MON#6", "no \"6\"th"),
        ("+1 * * * *", "not a minute"),
        ("@daily", "1 fields"),
    ] {
        let error = text.parse::<Cron>().unwrap_err().to_string();
        assert!(error.contains(fragment), "{text}: {error}");
    }
}

/// Without what `saffron` 0.1 itself trips over: ranges past the end of a field, and steps as long as it.
fn part(min: u8, max: u8) -> impl Strategy<Value = String> {
    let value = move || min..=max;
    prop_oneof![
        3 => value().prop_map(|a| a.to_string()),
        2 => (value(), value()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (value(), 1..max).prop_map(|(a, step)| format!("{a}/{step}")),
        1 => (value(), value(), 1..max).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ]
}

fn field(min: u8, max: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just("*".to_owned()),
        1 => (1..max).prop_map(|step| format!("*/{step}")),
        3 => prop::collection::vec(part(min, max), 1..4).prop_map(|parts| parts.join(",")),
    ]
}

fn day() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => field(1, 31),
        1 => Just("L".to_owned()),
        1 => Just("LW".to_owned()),
        1 => (1..=30_u8).prop_map(|back| format!("L-{back}")),
        1 => (1..=31_u8).prop_map(|day| format!("{day}W")),
    ]
}

fn weekday() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => field(1, 7),
        1 => Just("L".to_owned()),
        1 => (1..=7_u8).prop_map(|day| format!("{day}L")),
        1 => (1..=7_u8, 1..=5_u8).prop_map(|(day, nth)| format!("{day}#{nth}")),
        1 => Just("MON-fri".to_owned()),
    ]
}

proptest! {
    #[test]
    fn cloudflares_parser_names_the_same_minutes(
        minute in field(0, 59), hour in field(0, 23), day in day(), month in field(1, 12), weekday in weekday(),
        seconds in 1_600_000_000_i64..2_200_000_000,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let (ours, theirs) = (text.parse::<Cron>(), text.parse::<saffron::Cron>());
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?}", text, ours);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            let now = Timestamp::from_second(seconds).unwrap();
            let then = Utc.timestamp_opt(seconds, 0).unwrap();
            prop_assert_eq!(ours.matches(now), theirs.contains(then), "{} at {}", text, now);
            // `saffron`'s own search skips into months that it says it does not contain, so only its `contains` counts.
            let named = |at: Timestamp| theirs.contains(Utc.timestamp_opt(at.as_second(), 0).unwrap());
            if let Some(next) = ours.next_after(now) {
                prop_assert!(named(next), "{} after {}: {}", text, now, next);
                let minute = |n: i64| Timestamp::from_second(seconds / 60 * 60 + 60 * n).unwrap();
                let before = (1..3000).map(minute).find(|at| *at >= next || named(*at));
                prop_assert!(before.is_none_or(|at| at == next), "{} after {}: {:?}", text, now, before);
            }
        }
    }

    #[test]
    fn any_text_is_judged_as_cloudflare_does(text in "[0-9LW#*/, A-Fa-f-]{0,16}") {
        let ours = text.parse::<Cron>().is_ok();
        prop_assert_eq!(ours, text.parse::<saffron::Cron>().is_ok(), "{:?}", text);
    }
}
