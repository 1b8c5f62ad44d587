//! Durable Objects: the worker's namespaces, where they are stored, and the bindings to them.

use hearth_model::{BindingKind, Launch};

use super::super::workerd_capnp::{service, worker};
use super::{Objects, Paths, Purpose};

/// The service that is the folder of all namespaces.
const STORAGE_SERVICE: &str = "objects";

/// The folder in which workerd finds one for each namespace, by its id.
pub(super) fn fill_storage(mut service: service::Builder<'_>, paths: &Paths<'_>) {
    service.set_name(STORAGE_SERVICE);
    let mut disk = service.init_disk();
    disk.set_path(paths.data.to_string_lossy());
    disk.set_writable(true);
}

/// The worker's namespaces. Those of a probe are kept in memory: a candidate on real storage would run its alarms
/// (workerd.md 9).
pub(super) fn fill_namespaces(mut worker: worker::Builder<'_>, launch: &Launch, purpose: &Purpose<'_>) {
    if launch.objects.is_empty() || matches!(purpose, Purpose::Serve { objects: Objects::Elsewhere, .. }) {
        return;
    }
    let mut list = worker.reborrow().init_durable_object_namespaces(launch.objects.len() as u32);
    for (index, namespace) in launch.objects.iter().enumerate() {
        let mut to = list.reborrow().get(index as u32);
        to.set_class_name(&namespace.class);
        to.set_unique_key(namespace.id.to_string());
        to.set_enable_sql(namespace.sqlite);
    }
    let mut storage = worker.init_durable_object_storage();
    match purpose {
        Purpose::Probe(_) | Purpose::Serve { objects: Objects::InMemory, .. } => storage.set_in_memory(()),
        Purpose::Serve { .. } => storage.set_local_disk(STORAGE_SERVICE),
    }
}

/// The class that a binding leads to. It follows its namespace when that has another class by now.
pub(super) fn class_of<'a>(kind: &BindingKind, launch: &'a Launch) -> Option<&'a str> {
    let BindingKind::DurableObjectNamespace { class_name, namespace_id, .. } = kind else { return None };
    let by_id = namespace_id
        .as_ref()
        .and_then(|id| launch.objects.iter().find(|namespace| namespace.id.to_string() == *id));
    let by_class = || launch.objects.iter().find(|namespace| namespace.class == *class_name);
    by_id.or_else(by_class).map(|namespace| namespace.class.as_str())
}

pub(super) fn fill_binding(to: worker::binding::Builder<'_>, kind: &BindingKind, launch: &Launch) {
    if let Some(class) = class_of(kind, launch) {
        to.init_durable_object_namespace().set_class_name(class);
    }
}
