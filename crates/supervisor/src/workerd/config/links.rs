//! Durable Objects across processes: the class that stands for those of another one, and the way in for others to those
//! of this one.

use hearth_model::{BindingKind, Launch};

use super::super::workerd_capnp::{service, worker};
use super::bindings::outside_service;
use super::{MAIN_SERVICE, Objects, Purpose, set_module};

const FORWARD: &str = include_str!("../../../../../runtime/objects/forward.js");
const ENTER: &str = include_str!("../../../../../runtime/objects/enter.js");
const PASS: &str = include_str!("../../../../../runtime/objects/pass.js");
const DATE: &str = "2026-11-01";

const FORWARD_SERVICE: &str = "forward";

/// The name of the service that takes events for this process's objects from others, as
/// `WorkerdDebugPort.getEntrypoint` wants it; its entrypoint is [`OBJECTS_ENTRYPOINT`], its props are
/// `{namespace, id, name?}`.
pub const OBJECTS_SERVICE: &str = "enter";
/// The entrypoint of [`OBJECTS_SERVICE`].
pub const OBJECTS_ENTRYPOINT: &str = "Objects";

/// Whether a binding leads to Durable Objects of another process: those of another worker, or the worker's own in a front.
pub(super) fn is_foreign(kind: &BindingKind, purpose: &Purpose<'_>) -> bool {
    let front = matches!(purpose, Purpose::Serve { objects: Objects::Elsewhere, .. });
    match kind {
        BindingKind::DurableObjectNamespace { script_name, namespace_id, .. } => {
            script_name.is_some() || front && namespace_id.is_some()
        }
        _ => false,
    }
}

fn foreign<'a>(
    launch: &'a Launch,
    purpose: &'a Purpose<'_>,
) -> impl Iterator<Item = (usize, &'a BindingKind)> {
    let numbered = launch.bindings.iter().map(|binding| &binding.kind).enumerate();
    numbered.filter(move |(_, kind)| is_foreign(kind, purpose))
}

pub(super) fn has_foreign(launch: &Launch, purpose: &Purpose<'_>) -> bool {
    foreign(launch, purpose).next().is_some()
}

/// The class that stands for the objects of the binding at this position.
fn class(position: usize) -> String {
    format!("N{position}")
}

pub(super) fn fill_binding(to: worker::binding::Builder<'_>, position: usize) {
    let mut designator = to.init_durable_object_namespace();
    designator.set_class_name(class(position));
    designator.set_service_name(FORWARD_SERVICE);
}

/// The worker of ours with a class for each foreign namespace. Under the namespace's own key, so that ids agree; it
/// stores nothing.
pub(super) fn fill_forward(mut service: service::Builder<'_>, launch: &Launch, purpose: &Purpose<'_>) {
    service.set_name(FORWARD_SERVICE);
    let mut worker = service.init_worker();
    worker.set_compatibility_date(DATE);
    let foreign: Vec<_> = foreign(launch, purpose).collect();
    let mut classes = "import { forward } from \"./forward.js\";\nexport default {};\n".to_owned();
    let mut bindings = worker.reborrow().init_bindings(foreign.len() as u32);
    for (index, (position, _)) in foreign.iter().enumerate() {
        let class = class(*position);
        classes.push_str(&format!("export const {class} = forward(\"{class}\");\n"));
        let mut binding = bindings.reborrow().get(index as u32);
        binding.set_name(&class);
        // A candidate that is only looked at must not touch any.
        match purpose {
            Purpose::Serve { .. } => binding.init_service().set_name(outside_service(*position)),
            Purpose::Probe(_) => binding.init_service().set_name("internet"),
        }
    }
    let mut modules = worker.reborrow().init_modules(3);
    for (index, (name, source)) in
        [("classes.js", &*classes), ("forward.js", FORWARD), ("pass.js", PASS)].into_iter().enumerate()
    {
        set_module(modules.reborrow().get(index as u32), name, source);
    }
    let mut namespaces = worker.reborrow().init_durable_object_namespaces(foreign.len() as u32);
    for (index, (position, kind)) in foreign.iter().enumerate() {
        let mut namespace = namespaces.reborrow().get(index as u32);
        namespace.set_class_name(class(*position));
        namespace.set_unique_key(unique_key(kind));
    }
    worker.init_durable_object_storage().set_in_memory(());
}

/// The namespace's id; a candidate's is not known before its code is.
fn unique_key(kind: &BindingKind) -> &str {
    match kind {
        BindingKind::DurableObjectNamespace { namespace_id: Some(id), .. } => id,
        _ => "unknown",
    }
}

/// The worker of ours that takes events for the objects of this process, with a binding for each namespace, by its id.
pub(super) fn fill_enter(mut service: service::Builder<'_>, launch: &Launch) {
    service.set_name(OBJECTS_SERVICE);
    let mut worker = service.init_worker();
    worker.set_compatibility_date(DATE);
    let mut modules = worker.reborrow().init_modules(2);
    set_module(modules.reborrow().get(0), "enter.js", ENTER);
    set_module(modules.get(1), "pass.js", PASS);
    let mut bindings = worker.init_bindings(launch.objects.len() as u32);
    for (index, namespace) in launch.objects.iter().enumerate() {
        let mut binding = bindings.reborrow().get(index as u32);
        binding.set_name(namespace.id.to_string());
        let mut designator = binding.init_durable_object_namespace();
        designator.set_class_name(&namespace.class);
        designator.set_service_name(MAIN_SERVICE);
    }
}
