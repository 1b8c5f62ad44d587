//! The bindings of `env`, and the services that those lead to which Rust serves.

use hearth_model::{BindingKind, Launch};

use super::super::workerd_capnp::{service_designator, worker};
use super::{Purpose, extensions, links, objects, workflows};

/// workerd's own module that makes the D1 API of a `fetcher` (workerd.md 1.4).
const D1_MODULE: &str = "cloudflare-internal:d1-api";

/// The bindings that Rust serves, with their positions among the bindings.
pub(super) fn outside<'a>(
    launch: &'a Launch,
    purpose: &'a Purpose<'_>,
) -> impl Iterator<Item = (usize, &'a BindingKind)> {
    let own = |name: &str| launch.workflows.iter().any(|workflow| workflow.name == name);
    let is_outside = move |kind: &BindingKind| match kind {
        BindingKind::Workflow { workflow_name, .. } => !own(workflow_name),
        BindingKind::DurableObjectNamespace { .. } => links::is_foreign(kind, purpose),
        _ => matches!(
            kind,
            BindingKind::Service { .. }
                | BindingKind::KvNamespace { .. }
                | BindingKind::R2Bucket { .. }
                | BindingKind::D1 { .. }
                | BindingKind::Queue { .. }
                | BindingKind::AnalyticsEngine { .. }
                | BindingKind::Ratelimit { .. }
                | BindingKind::Assets {}
        ),
    };
    let numbered = launch.bindings.iter().map(|binding| &binding.kind).enumerate();
    numbered.filter(move |(_, kind)| is_outside(kind))
}

/// What a call says of the binding it is made on: its position among the version's bindings, since a name may hold
/// what neither a header nor the authority of a `CONNECT` may.
pub fn binding_key(position: usize) -> String {
    format!("binding-{position}")
}

pub(super) fn outside_service(position: usize) -> String {
    format!("outside:{position}")
}

/// The bindings of the worker's `env`.
pub(super) fn fill_bindings(worker: worker::Builder<'_>, launch: &Launch, purpose: &Purpose<'_>) {
    let numbered = launch.bindings.iter().enumerate();
    let bindings: Vec<_> =
        numbered.filter(|(_, binding)| has_value(&binding.kind, launch, purpose)).collect();
    // A probe's bindings lead to no data: a worker that is only looked at must not touch any.
    let target = |position| match purpose {
        Purpose::Serve { .. } => outside_service(position),
        Purpose::Probe(_) => "internet".to_owned(),
    };
    let mut list = worker.init_bindings(bindings.len() as u32);
    for (index, (position, binding)) in bindings.into_iter().enumerate() {
        let mut to = list.reborrow().get(index as u32);
        to.set_name(&binding.name);
        match &binding.kind {
            BindingKind::PlainText { text } => to.set_text(text),
            BindingKind::SecretText { text } => to.set_text(text.as_deref().unwrap_or_default()),
            BindingKind::Json { json } => to.set_json(json.to_string()),
            BindingKind::VersionMetadata {} => to.set_json(version_metadata(launch)),
            BindingKind::Service { .. } | BindingKind::Assets {} => {
                to.init_service().set_name(target(position))
            }
            BindingKind::KvNamespace { .. } => to.init_kv_namespace().set_name(target(position)),
            BindingKind::R2Bucket { .. } => to.init_r2_bucket().set_name(target(position)),
            BindingKind::Queue { .. } => to.init_queue().set_name(target(position)),
            BindingKind::D1 { .. } => wrapped(to, D1_MODULE).set_name(target(position)),
            BindingKind::AnalyticsEngine { .. } => {
                wrapped(to, extensions::ANALYTICS).set_name(target(position))
            }
            BindingKind::Ratelimit { .. } => wrapped(to, extensions::RATELIMIT).set_name(target(position)),
            kind if links::is_foreign(kind, purpose) => links::fill_binding(to, position),
            BindingKind::DurableObjectNamespace { .. } => objects::fill_binding(to, &binding.kind, launch),
            BindingKind::Workflow { workflow_name, .. } => {
                let mut fetcher = wrapped(to, workflows::API_MODULE);
                let own = launch.workflows.iter().any(|own| own.name == *workflow_name);
                match purpose {
                    Purpose::Serve { .. } if own => workflows::fill_binding(fetcher, workflow_name),
                    _ => fetcher.set_name(target(position)),
                }
            }
            BindingKind::WasmModule { part } => to.set_wasm_module(content(launch, part)),
            BindingKind::TextBlob { part } => to.set_text(&*String::from_utf8_lossy(content(launch, part))),
            BindingKind::DataBlob { part } => to.set_data(content(launch, part)),
            // Filtered out above; an upload's plan has resolved it long before.
            BindingKind::Inherit { .. } => {}
        }
    }
}

/// Whether a binding is one for the worker: an `inherit` is resolved long before, and a class of Durable Objects may be
/// gone by now.
fn has_value(kind: &BindingKind, launch: &Launch, purpose: &Purpose<'_>) -> bool {
    match kind {
        BindingKind::Inherit { .. } => false,
        kind if links::is_foreign(kind, purpose) => true,
        BindingKind::DurableObjectNamespace { .. } => objects::class_of(kind, launch).is_some(),
        _ => true,
    }
}

/// A binding whose API is made by a module of JavaScript; the service that its `fetcher` reaches is still to be named.
fn wrapped<'a>(to: worker::binding::Builder<'a>, module: &str) -> service_designator::Builder<'a> {
    let mut wrapped = to.init_wrapped();
    wrapped.set_module_name(module);
    let mut fetcher = wrapped.init_inner_bindings(1).get(0);
    fetcher.set_name("fetcher");
    fetcher.init_service()
}

fn content<'a>(launch: &'a Launch, part: &str) -> &'a [u8] {
    launch.modules.iter().find(|m| m.name == part).map_or(&[], |m| &m.content)
}

fn version_metadata(launch: &Launch) -> String {
    serde_json::json!({
        "id": launch.version.to_string(),
        "tag": launch.tag,
        "timestamp": launch.created_on,
    })
    .to_string()
}
