//! Those who watch functions: live tails, kept logs, whoever else sees what workers do.

use hearth_model::{AccountId, VersionId, WorkerId, WorkerName};
use hearth_supervisor::{Head, Scheduled};
use http::StatusCode;

use crate::records::Record;

/// Whose call it was.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// The function.
    pub function: WorkerId,
    /// Its name.
    pub name: &'a WorkerName,
    /// The version that ran.
    pub version: VersionId,
}

/// How a call came to its function.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// Over the API.
    Api,
    /// Over the function's host or a route.
    Visit {
        /// What was asked; not known of what began before anybody watched.
        head: Option<&'a Head>,
        /// What was answered, if it was.
        status: Option<StatusCode>,
    },
    /// By a cron trigger.
    Cron(&'a Scheduled),
}

impl Way<'_> {
    /// As it stands in a record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Visit { .. } => "http",
            Self::Cron(_) => "cron",
        }
    }
}

/// A call of a function, once it has ended.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// When it began, in milliseconds since 1970.
    pub began_ms: i64,
    /// How it came.
    pub way: Way<'a>,
    /// What is remembered of it.
    pub record: &'a Record,
}

/// Shows calls to those who watch. It is told of all calls of functions that somebody watches
/// ([`hearth_supervisor::Supervisor::is_watched`]), and of those of others that printed something or failed, for the
/// server's log. It never waits.
pub trait Audience: Send + Sync + 'static {
    /// A call has ended.
    fn seen(&self, whose: Whose<'_>, call: Call<'_>);
}
