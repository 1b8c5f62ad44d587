//! Times as Cloudflare writes them: `24h`, `1h30m` (Go's durations). Pure.

/// The seconds of a time. None: it is none, or not above zero.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|char: char| char.is_ascii_digit()).len();
        let (number, behind) = rest.split_at(digits);
        let unit = match behind.chars().next()? {
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(unit)?)?;
        rest = &behind[1..];
    }
    (sum > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_gos() {
        for (text, expected) in [
            ("24h", Some(86_400)),
            ("1h30m5s", Some(5405)),
            ("15m", Some(900)),
            ("0s", None),
            ("", None),
            ("h", None),
            ("10", None),
            ("1d", None),
            ("-1h", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
