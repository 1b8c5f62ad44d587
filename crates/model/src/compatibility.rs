//! Compatibility date and flags.

use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// What a version asks of the runtime's behaviour.
///
/// Only the form is checked here. Which flags exist, and that experimental ones are refused, is workerd's own
/// knowledge: the deploy's probe asks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compatibility {
    /// `YYYY-MM-DD`.
    pub date: String,
    /// Flags beyond what the date implies.
    pub flags: Vec<String>,
}

/// Why a date or a flag was refused; fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompatibilityError {
    /// Not a date.
    #[error("Can't set compatibility date {0:?}: it is not a date of the form YYYY-MM-DD.")]
    Date(String),
    /// A date that has not come yet.
    #[error("Can't set compatibility date in the future: {0}.")]
    Future(String),
    /// Not the name of a flag.
    #[error("No such compatibility flag: {0:?}.")]
    Flag(String),
}

impl Compatibility {
    /// What a worker without a date gets, as on Cloudflare: the oldest behaviour.
    pub const OLDEST: &str = "2021-11-02";

    /// What code has that names no date and is not Cloudflare's: the behaviour of this year's beginning.
    pub const FOR_DIALECTS: &str = "2026-01-01";

    /// Checks the form of a date and of flags against `today` (UTC).
    ///
    /// # Errors
    /// [`CompatibilityError`].
    pub fn new(date: Option<&str>, flags: Vec<String>, today: Date) -> Result<Self, CompatibilityError> {
        let date = date.unwrap_or(Self::OLDEST);
        let canonical = Date::from_str(date)
            .ok()
            .filter(|parsed| parsed.to_string() == date)
            .ok_or_else(|| CompatibilityError::Date(date.to_owned()))?;
        if canonical > today {
            return Err(CompatibilityError::Future(date.to_owned()));
        }
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if let Some(flag) = flags.iter().find(|f| f.is_empty() || f.len() > 100 || !f.bytes().all(legal)) {
            return Err(CompatibilityError::Flag(flag.clone()));
        }
        Ok(Self { date: date.to_owned(), flags })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn dates_have_one_spelling_and_are_not_in_the_future() {
        let today = date(2026, 11, 20);
        assert!(Compatibility::new(Some("2026-11-20"), vec![], today).is_ok());
        assert!(matches!(
            Compatibility::new(Some("2026-11-21"), vec![], today),
            Err(CompatibilityError::Future(_))
        ));
        for bad in ["2026-1-1", "yesterday", "", "2026-02-30", "20260101"] {
            assert!(matches!(Compatibility::new(Some(bad), vec![], today), Err(CompatibilityError::Date(_))));
        }
        assert_eq!(Compatibility::new(None, vec![], today).unwrap().date, Compatibility::OLDEST);
    }

    #[test]
    fn flags_are_names() {
        let today = date(2026, 11, 20);
        assert!(Compatibility::new(None, vec!["nodejs_compat".into()], today).is_ok());
        assert!(Compatibility::new(None, vec!["no such\nflag".into()], today).is_err());
    }
}
