//! What is counted: for Prometheus as it is now ([`Page`]), and by the minute for charts ([`History`]).
//!
//! Nothing here counts in the way of a request. The parts of Hearth count for themselves, in atomics, and say on a scrape
//! what they have through a [`Source`]; [`Operations`] counts calls of bindings for those that have no counters of their
//! own.

#![forbid(unsafe_code)]

mod history;
mod operations;
mod page;
mod usage;

pub use history::{Filter, Group, History, HistoryError, LATENCY_BUCKETS, Minute, NamespaceHour, quantile};
pub use operations::{Kind, OperationCounts, Operations};
pub use page::{CONTENT_TYPE, Histogram, Labels, Page, Report, Source};
pub use usage::{ACTIONS, Counts, Usage};
