//! Workflows: the engine that runs a worker's instances, a service beside it in the same process (workerd.md 4.1).
//!
//! The engine is workerd's own module with an entry of ours around it, `runtime/workflows/engine.js`. Both need
//! `--experimental`. An instance is a Durable Object in the namespace `miniflare-workflows-<name>`, which workerd makes of
//! the worker's `workflowsEngine`; the index of a workflow's instances is another, in a namespace of the engine's own.

use std::path::Path;

use hearth_model::{Launch, NamedWorkflow};
use serde_json::{Value, json};

use super::super::workerd_capnp::{service, service_designator, worker};
use super::{DISPATCH_DATE, MAIN_SERVICE, Paths, set_binding, set_socket};

/// The engine's service, as `WorkerdDebugPort.getEntrypoint` wants it.
pub const ENGINE_SERVICE: &str = "workflows";
/// The entrypoint of the engine that a binding speaks to; its props are [`binding_props`].
pub const BINDING_ENTRYPOINT: &str = "WorkflowBinding";
/// workerd's own module that makes the API of a binding.
pub(super) const API_MODULE: &str = "cloudflare-internal:workflows-api";

/// What [`super::BINDING_HEADER`] says where the engine reports that code of an instance runs.
pub const WORKFLOWS_KEY: &str = "workflows";
const REPORTS_SERVICE: &str = "workflows-reports";

/// The folder for it among those that the process is given.
pub(crate) const STORAGE_FOLDER: &str = "workflows";
const DISK_SERVICE: &str = "workflows-storage";
const ENGINE: &str = include_str!("../../../../../runtime/workflows/engine.js");
/// Under this name the entry imports workerd's module.
const WORKERD_ENGINE: &str = "workerd.js";
const BUNDLED_ENGINE: &str = "/workerd/workflows.js";
/// Bindings of the engine's service besides one for each workflow.
const OWN_BINDINGS: u32 = 4;

/// What a binding of this workflow is started with, as JSON.
pub fn binding_props(workflow: &str) -> String {
    json!({ "workflow": workflow }).to_string()
}

/// The folder, within the storage that the process is given, that holds a workflow's instances.
pub fn instances_folder(workflow: &str) -> String {
    format!("miniflare-workflows-{workflow}")
}

/// Where instances and index are kept.
pub(super) fn fill_storage(mut service: service::Builder<'_>, data: &Path) {
    service.set_name(DISK_SERVICE);
    let mut disk = service.init_disk();
    disk.set_path(data.join(STORAGE_FOLDER).to_string_lossy());
    disk.set_writable(true);
}

/// Where the engine says that it is busy.
pub(super) fn fill_reports(mut service: service::Builder<'_>, paths: &Paths<'_>) {
    service.set_name(REPORTS_SERVICE);
    let mut external = service.init_external();
    set_socket(external.reborrow(), paths, "bindings.sock");
    set_binding(external.init_http(), WORKFLOWS_KEY);
}

/// The engine.
pub(super) fn fill_engine(mut service: service::Builder<'_>, launch: &Launch) {
    service.set_name(ENGINE_SERVICE);
    let mut worker = service.init_worker();
    worker.set_compatibility_date(DISPATCH_DATE);
    let mut modules = worker.reborrow().init_modules(2);
    let mut entry = modules.reborrow().get(0);
    entry.set_name("engine.js");
    entry.set_es_module(ENGINE);
    let mut engine = modules.get(1);
    engine.set_name(WORKERD_ENGINE);
    engine.set_bundled(BUNDLED_ENGINE);

    let mut index = worker.reborrow().init_durable_object_namespaces(1).get(0);
    index.set_class_name("Index");
    index.set_unique_key("workflow-index");
    index.set_enable_sql(true);
    worker.reborrow().get_durable_object_storage().set_local_disk(DISK_SERVICE);

    let workflows = &launch.workflows;
    let mut bindings = worker.init_bindings(OWN_BINDINGS + workflows.len() as u32);
    let mut version = bindings.reborrow().get(0);
    version.set_name("VERSION");
    version.set_text(launch.version.to_string());
    let mut settings = bindings.reborrow().get(1);
    settings.set_name("WORKFLOWS");
    settings.set_json(engine_settings(workflows).to_string());
    let mut index = bindings.reborrow().get(2);
    index.set_name("INDEX");
    index.init_durable_object_namespace().set_class_name("Index");
    let mut reports = bindings.reborrow().get(3);
    reports.set_name("HEARTH");
    reports.init_service().set_name(REPORTS_SERVICE);
    for (at, NamedWorkflow { name, .. }) in workflows.iter().enumerate() {
        let mut instances = bindings.reborrow().get(OWN_BINDINGS + at as u32);
        instances.set_name(format!("workflow:{name}"));
        let mut namespace = instances.init_durable_object_namespace();
        namespace.set_class_name(instances_folder(name));
        namespace.set_service_name(MAIN_SERVICE);
    }
}

/// Tells the worker of its engine, and which classes are workflows.
pub(super) fn fill_worker(worker: worker::Builder<'_>, launch: &Launch) {
    let mut engine = worker.init_workflows_engine();
    let mut class = engine.reborrow().init_actor_class();
    class.set_name(ENGINE_SERVICE);
    class.set_entrypoint("Engine");
    let mut list = engine.init_workflows(launch.workflows.len() as u32);
    for (index, NamedWorkflow { name, workflow }) in launch.workflows.iter().enumerate() {
        let mut to = list.reborrow().get(index as u32);
        to.set_name(name);
        to.set_class_name(&workflow.class_name);
        fill_binding(to.init_binding_service(), name);
    }
}

/// The engine's entrypoint for a binding of one of the worker's own workflows.
pub(super) fn fill_binding(mut to: service_designator::Builder<'_>, workflow: &str) {
    to.set_name(ENGINE_SERVICE);
    to.set_entrypoint(BINDING_ENTRYPOINT);
    to.init_props().set_json(binding_props(workflow));
}

/// Step limits and retentions by workflow, as the engine takes them; none of it where the account says nothing.
fn engine_settings(workflows: &[NamedWorkflow]) -> Value {
    let of = |NamedWorkflow { name, workflow }: &NamedWorkflow| {
        let mut settings = serde_json::Map::new();
        let given = |from: &Option<Value>, key: &str| from.as_ref().and_then(|from| from.get(key)).cloned();
        if let Some(steps) = given(&workflow.limits, "steps") {
            settings.insert("steps".to_owned(), steps);
        }
        let kept = [("success", "success_retention"), ("error", "error_retention")];
        let retention: serde_json::Map<_, _> = kept
            .into_iter()
            .filter_map(|(to, from)| Some((to.to_owned(), given(&workflow.default_retention, from)?)))
            .collect();
        if !retention.is_empty() {
            settings.insert("retention".to_owned(), Value::Object(retention));
        }
        (name.clone(), Value::Object(settings))
    };
    Value::Object(workflows.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use hearth_model::{WorkerId, Workflow};

    use super::*;

    #[test]
    fn the_engine_is_told_what_the_account_set() {
        let mut set = Workflow::new(WorkerId::random(), "C");
        set.limits = Some(json!({ "steps": 5 }));
        set.default_retention = Some(json!({ "success_retention": "1 day" }));
        let plain = Workflow::new(WorkerId::random(), "C");
        let named = |name: &str, workflow| NamedWorkflow { name: name.to_owned(), workflow };
        assert_eq!(
            engine_settings(&[named("a", set), named("b", plain)]),
            json!({ "a": { "steps": 5, "retention": { "success": "1 day" } }, "b": {} })
        );
    }
}
