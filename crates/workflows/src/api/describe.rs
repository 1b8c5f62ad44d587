//! The endpoints of this folder, for the OpenAPI document.

use hearth_openapi::{
    Document, Family, Section, any, array, boolean, delete, get, integer, literal, map, object, one_of,
    patch, post, put, reference, string, time,
};

use super::{WORKFLOW, WORKFLOWS};

fn below(rest: &str) -> String {
    format!("{WORKFLOW}/{rest}")
}

/// Describes the operations.
pub fn describe(document: &mut Document) {
    let about = "Workflows, and their instances.";
    let mut section = document.section("Workflows", about, Family::cloudflare());
    section.segment("workflow", "The workflow's name");
    section.segment("instance", "The instance's id");
    section.segment("event", "The event's type");
    definitions(&mut section);
    instances(&mut section);
}

fn definitions(section: &mut Section<'_>) {
    let counts = map(integer()).about("How many instances have which status.");
    section.schema(
        "Workflow",
        object()
            .has("id", string())
            .has("name", string())
            .has("script_name", string())
            .has("class_name", string())
            .has("limits", any())
            .has("created_on", time())
            .has("modified_on", time())
            .has("triggered_on", literal(serde_json::Value::Null))
            .may("instances", counts),
    );
    section.add(get(WORKFLOWS, "List workflows").gives_pages_of(reference("Workflow")));
    section.add(get(WORKFLOW, "Show workflow").gives(reference("Workflow")));
    let wanted = object()
        .has("script_name", string())
        .has("class_name", string())
        .may("limits", any())
        .may("default_retention", any())
        .may("schedules", array(any()).about("None are supported: it must be empty."));
    section.add(put(WORKFLOW, "Put workflow").takes(wanted).gives(reference("Workflow")));
    section.add(
        delete(WORKFLOW, "Delete workflow").gives(object().has("status", string()).has("success", boolean())),
    );
    section.schema(
        "WorkflowVersion",
        object()
            .has("id", string())
            .has("workflow_id", string())
            .has("class_name", string())
            .has("created_on", time())
            .has("modified_on", time()),
    );
    section
        .add(get(below("versions"), "List workflow versions").gives_pages_of(reference("WorkflowVersion")));
    section
        .add(get(below("versions/{version}"), "Show workflow version").gives(reference("WorkflowVersion")));
}

fn instances(section: &mut Section<'_>) {
    section.schema(
        "InstanceStatus",
        one_of(&[
            "queued",
            "running",
            "paused",
            "errored",
            "terminated",
            "complete",
            "waiting",
            "waitingForPause",
            "unknown",
        ]),
    );
    let status = || reference("InstanceStatus");
    let listed = object()
        .has("id", string())
        .has("status", status())
        .has("version_id", any())
        .has("workflow_id", string())
        .has("created_on", time().or_null())
        .has("modified_on", time().or_null())
        .has("trigger_source", any());
    section.add(
        get(below("instances"), "List instances")
            .query("status", status(), "Only those with it.")
            .query("date_start", time(), "Only those made since.")
            .query("date_end", time(), "Only those made until then.")
            .query("direction", one_of(&["asc", "desc"]), "In which direction.")
            .gives_pages_of(listed),
    );
    let retention = object().may("success_retention", any()).may("error_retention", any());
    section.schema(
        "NewInstance",
        object()
            .may("instance_id", string().or_null())
            .may("params", any().about("What the workflow is given as `event.payload`."))
            .may("instance_retention", retention.or_null()),
    );
    let made = object()
        .has("id", string())
        .has("status", status())
        .has("version_id", any())
        .has("workflow_id", string());
    section.add(post(below("instances"), "Create instance").takes(reference("NewInstance")).gives(made));
    let batched = object().has("id", string()).has("status", status()).has("workflow_id", string());
    section.add(
        post(below("instances/batch"), "Create instances")
            .takes(array(reference("NewInstance")))
            .gives(array(batched)),
    );
    section.add(
        post(below("instances/batch/delete"), "Delete instances")
            .takes(object().has("instances", array(string())))
            .gives(any()),
    );
    section.add(
        put(below("instances/terminate"), "Terminate instances")
            .query("status", status(), "Only those with it.")
            .gives(object().has("status", string())),
    );
    let step = object()
        .has("type", string())
        .open()
        .about("A step with its attempts, a sleep, a wait, or the termination.");
    let shown = object()
        .has("status", status())
        .has("params", any())
        .has("trigger", object().has("source", string()))
        .has("versionId", any())
        .has("queued", time().or_null())
        .has("start", time().or_null())
        .has("end", time().or_null())
        .has("success", boolean().or_null())
        .has("step_count", integer())
        .has("steps", array(step))
        .has("output", any())
        .has("error", any());
    const ONE: &str = "instances/{instance}";
    section.add(get(below(ONE), "Show instance").gives(shown));
    let wanted = object()
        .has("status", one_of(&["pause", "resume", "restart", "terminate"]))
        .may("from", any().about("Of a restart: the step to begin at."))
        .may("rollback", boolean().about("Of a termination: whether steps are rolled back."));
    section.add(
        patch(below("instances/{instance}/status"), "Change instance status")
            .takes(wanted)
            .gives(object().has("status", status()).has("timestamp", time())),
    );
    section.add(
        post(below("instances/{instance}/events/{event}"), "Send event")
            .about("The body is the payload.")
            .may_take(any())
            .gives(literal(serde_json::Value::Null)),
    );
}
