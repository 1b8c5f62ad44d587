//! The REST endpoints, as wrangler and the SDKs call them (wrangler-api.md 9.1).

mod definitions;
mod describe;
mod instances;

use std::sync::Arc;

use hearth_api::{Api, ApiError, Operation, Params};
use hearth_model::{WorkerName, Workflow};
use hearth_store::{Account, Entity, Resource, ResourceKind, StoreError};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::{Engine, EngineError};

/// No such workflow: wrangler then knows that a deploy makes it.
const NOT_FOUND: u32 = 10200;
/// A body that does not hold.
const INVALID: u32 = 10001;
/// No such instance.
const INSTANCE_NOT_FOUND: u32 = 10400;
/// An instance's id that is taken.
const INSTANCE_EXISTS: u32 = 10405;
/// What cannot be done to an instance in its status.
const INSTANCE_STATUS: u32 = 10402;

const WORKFLOWS: &str = "/accounts/{account}/workflows";
const WORKFLOW: &str = "/accounts/{account}/workflows/{workflow}";

pub use describe::describe;

#[derive(Clone)]
struct Calls {
    api: Api,
    engine: Arc<dyn Engine>,
}

/// The operations.
pub fn operations(api: &Api, engine: Arc<dyn Engine>) -> Vec<Operation> {
    let calls = Calls { api: api.clone(), engine };
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    vec![
        Operation::new(get.clone(), WORKFLOWS, definitions::list, &calls),
        Operation::new(get.clone(), WORKFLOW, definitions::show, &calls),
        Operation::new(put.clone(), WORKFLOW, definitions::put, &calls),
        Operation::new(Method::DELETE, WORKFLOW, definitions::delete, &calls),
        Operation::new(
            get.clone(),
            "/accounts/{account}/workflows/{workflow}/versions",
            definitions::versions,
            &calls,
        ),
        Operation::new(
            get.clone(),
            "/accounts/{account}/workflows/{workflow}/versions/{version}",
            definitions::version,
            &calls,
        ),
        Operation::new(
            get.clone(),
            "/accounts/{account}/workflows/{workflow}/instances",
            instances::list,
            &calls,
        ),
        Operation::new(
            post.clone(),
            "/accounts/{account}/workflows/{workflow}/instances",
            instances::create,
            &calls,
        ),
        Operation::new(
            post.clone(),
            "/accounts/{account}/workflows/{workflow}/instances/batch",
            instances::create_batch,
            &calls,
        ),
        Operation::new(
            post.clone(),
            "/accounts/{account}/workflows/{workflow}/instances/batch/delete",
            instances::delete_batch,
            &calls,
        ),
        Operation::new(
            put,
            "/accounts/{account}/workflows/{workflow}/instances/terminate",
            instances::terminate_all,
            &calls,
        ),
        Operation::new(
            get,
            "/accounts/{account}/workflows/{workflow}/instances/{instance}",
            instances::describe,
            &calls,
        ),
        Operation::new(
            Method::PATCH,
            "/accounts/{account}/workflows/{workflow}/instances/{instance}/status",
            instances::change_status,
            &calls,
        ),
        Operation::new(
            post,
            "/accounts/{account}/workflows/{workflow}/instances/{instance}/events/{event}",
            instances::send_event,
            &calls,
        ),
    ]
}

/// A workflow with what is known of it.
struct Found {
    resource: Resource,
    workflow: Workflow,
    script_name: WorkerName,
}

impl Calls {
    async fn find(&self, account: &Account, params: &Params) -> Result<Found, ApiError> {
        let name = params.get("workflow");
        match self.api.store().resource_by_name(ResourceKind::Workflow, &account.id, name).await {
            Ok(resource) => self.with_script(resource).await,
            Err(StoreError::NotFound { what: Entity::Resource(_), .. }) => Err(not_found(name)),
            Err(error) => Err(error.into()),
        }
    }

    async fn with_script(&self, resource: Resource) -> Result<Found, ApiError> {
        let workflow =
            serde_json::from_value::<Workflow>(resource.settings.clone()).map_err(ApiError::internal)?;
        let worker = self.api.store().worker(workflow.worker).await?;
        Ok(Found { resource, workflow, script_name: worker.name })
    }

    async fn call(&self, found: &Found, operation: &str, arguments: Value) -> Result<Value, ApiError> {
        let mut arguments: Map<String, Value> = match arguments {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        arguments.insert("workflow".to_owned(), json!(found.resource.name));
        let answer = self.engine.call(found.workflow.worker, operation, Value::Object(arguments)).await;
        answer.map_err(refusal)
    }
}

impl Found {
    fn view(&self) -> Value {
        json!({
            "id": self.resource.id,
            "name": self.resource.name,
            "script_name": self.script_name,
            "class_name": self.workflow.class_name,
            "limits": self.workflow.limits,
            "created_on": self.resource.created_on.to_string(),
            "modified_on": self.resource.modified_on.to_string(),
            "triggered_on": null,
        })
    }
}

fn not_found(name: &str) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        NOT_FOUND,
        format!("workflows.api.error.workflow.not_found: {name:?}"),
    )
}

fn instance_not_found() -> ApiError {
    let text = "workflows.api.error.instance.not_found";
    ApiError::new(StatusCode::NOT_FOUND, INSTANCE_NOT_FOUND, text)
}

/// The engine's words as Cloudflare's errors.
fn refusal(error: EngineError) -> ApiError {
    match error {
        EngineError::Refused(text) if text.contains("instance.not_found") => instance_not_found(),
        EngineError::Refused(text) if text.contains("instance.already_exists") => {
            let text = "workflows.api.error.instance.already_exists";
            ApiError::new(StatusCode::CONFLICT, INSTANCE_EXISTS, text)
        }
        EngineError::Refused(text) if text.contains("(instance.cannot_") => {
            ApiError::new(StatusCode::CONFLICT, INSTANCE_STATUS, text)
        }
        EngineError::Refused(text) => ApiError::bad_request(INVALID, text),
        EngineError::Unavailable(detail) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            INVALID,
            "The worker that has this workflow does not run. `wrangler tail` and the server's log say why.",
        )
        .with_detail(detail),
    }
}
