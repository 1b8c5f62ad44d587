//! Modules of ours (`runtime/bindings/`) that make the API of a binding which workerd does not have of its own.

use hearth_model::{BindingKind, Launch};

use super::super::workerd_capnp::config;

/// Makes a rate limit of a `fetcher`.
pub(super) const RATELIMIT: &str = "hearth-internal:ratelimit";
/// Makes an Analytics Engine dataset of a `fetcher`; workerd's own wants `--experimental` (workerd.md 1.5).
pub(super) const ANALYTICS: &str = "hearth-internal:analytics";

const RATELIMIT_SOURCE: &str = include_str!("../../../../../runtime/bindings/ratelimit.js");
const ANALYTICS_SOURCE: &str = include_str!("../../../../../runtime/bindings/analytics.js");

/// Adds the modules that the bindings of this worker need, and no others: each is compiled at a cold start.
pub(super) fn fill(root: config::Builder<'_>, launch: &Launch) {
    let has = |wanted: fn(&BindingKind) -> bool| launch.bindings.iter().any(|binding| wanted(&binding.kind));
    let mut needed = Vec::new();
    if has(|kind| matches!(kind, BindingKind::Ratelimit { .. })) {
        needed.push((RATELIMIT, RATELIMIT_SOURCE));
    }
    if has(|kind| matches!(kind, BindingKind::AnalyticsEngine { .. })) {
        needed.push((ANALYTICS, ANALYTICS_SOURCE));
    }
    if needed.is_empty() {
        return;
    }
    let mut modules = root.init_extensions(1).get(0).init_modules(needed.len() as u32);
    for (index, (name, source)) in needed.into_iter().enumerate() {
        let mut module = modules.reborrow().get(index as u32);
        module.set_name(name);
        // Only a binding leads to it: user code cannot import it.
        module.set_internal(true);
        module.set_es_module(source);
    }
}
