//! RPC → gateway's table → supervisor: which process answers a call to another worker.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_assets::Sites;
use hearth_gateway::{Losses, Ongoing, RouteTable, Served};
use hearth_model::{Binding, BindingKind, NamespaceId, VersionChoice, VersionId, WorkerName};
use hearth_rpc::{Callee, HttpSender, Object, RouteError, Router};
use hearth_supervisor::{
    AcquireError, BINDING_ENTRYPOINT, ENGINE_SERVICE, Identity, Instances, Lease, MAIN_SERVICE,
    OBJECTS_ENTRYPOINT, OBJECTS_SERVICE, RequestBody, SendError, Supervisor, binding_key, binding_props,
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::json;

use super::assets;

/// Routes the calls of one instance.
pub struct Calls {
    pub caller: Arc<Identity>,
    pub table: Arc<RouteTable>,
    pub sites: Sites,
    pub supervisor: Supervisor,
    pub losses: Arc<dyn Losses>,
}

/// What a service binding names.
struct Target<'a> {
    binding: &'a str,
    service: &'a str,
    entrypoint: Option<&'a str>,
    props: Option<&'a serde_json::Value>,
}

#[async_trait]
impl Router for Calls {
    fn is_namespace(&self, key: &str) -> bool {
        matches!(self.binding(key), Some(Binding { kind: BindingKind::DurableObjectNamespace { .. }, .. }))
    }

    async fn route(&self, key: &str, object: Option<&Object>) -> Result<Callee, RouteError> {
        if let Some(object) = object {
            return self.object(key, object).await;
        }
        if let Some(Binding { name, kind: BindingKind::Workflow { workflow_name, script_name, .. } }) =
            self.binding(key)
        {
            let owner = script_name.as_deref().unwrap_or(self.caller.name.as_str());
            return self.workflow(name, workflow_name, owner).await;
        }
        let Target { binding, service, entrypoint, props } = self.target(key)?;
        let served = self.worker(binding, service)?;
        let worker = &served.worker;
        let split = worker.split.as_ref().ok_or_else(|| {
            RouteError::unavailable(format!("Worker {service} (binding {binding}) has no deployment."))
        })?;
        // It is a request to the callee as one over its host would be.
        self.table.arrive(&worker.account).map_err(|refused| RouteError::too_many(refused.to_string()))?;
        let version = split.choose(VersionChoice::default(), rand::random());
        let direct = entrypoint.is_none() && props.is_none();
        if direct && !served.has_code(version) {
            return Ok(self.assets_alone(served, version));
        }
        let lease =
            self.supervisor.acquire(worker.id, version).await.map_err(|error| refused(service, &error))?;
        // The debug port, which calls with an entrypoint or props need, comes later than the process.
        lease.instance().opened().await.map_err(|death| refused(service, &AcquireError::Died(death)))?;
        let lease = Arc::new(lease);
        let http = direct.then(|| self.sender(served, version, Arc::clone(&lease)));
        let props = props.map(ToString::to_string);
        Ok(Callee { http, ..callee(lease, MAIN_SERVICE, entrypoint, props) })
    }
}

impl Calls {
    /// The process that has an object of the namespace that a binding leads to.
    async fn object(&self, key: &str, object: &Object) -> Result<Callee, RouteError> {
        let unknown = || RouteError::not_found("There is no such Durable Object binding.");
        let (binding, class, id) = match self.binding(key) {
            Some(Binding {
                name,
                kind: BindingKind::DurableObjectNamespace { class_name, namespace_id: Some(id), .. },
            }) => (name, class_name, id),
            _ => return Err(unknown()),
        };
        let namespace: NamespaceId = id.parse().map_err(|_| unknown())?;
        let lease = match self.supervisor.acquire_objects(namespace, self.caller.key.worker).await {
            Ok(Some(lease)) => Arc::new(lease),
            Ok(None) => {
                let text = format!("The Durable Object class {class} (binding {binding}) is not deployed.");
                return Err(RouteError::not_found(text));
            }
            Err(error) => return Err(refused(class, &error)),
        };
        lease.instance().opened().await.map_err(|death| refused(class, &AcquireError::Died(death)))?;
        let mut props = json!({"namespace": id, "id": object.id});
        if let Some(name) = &object.name {
            props["name"] = name.as_str().into();
        }
        Ok(callee(lease, OBJECTS_SERVICE, Some(OBJECTS_ENTRYPOINT), Some(props.to_string())))
    }

    /// The engine of a workflow in the process that has its instances.
    async fn workflow(&self, binding: &str, workflow: &str, owner: &str) -> Result<Callee, RouteError> {
        let served = self.worker(binding, owner)?;
        let lease = match self.supervisor.acquire_host(served.worker.id).await {
            Ok(Some(lease)) => Arc::new(lease),
            Ok(None) => {
                let text = format!("The workflow {workflow} (binding {binding}) is not deployed.");
                return Err(RouteError::not_found(text));
            }
            Err(error) => return Err(refused(owner, &error)),
        };
        lease.instance().opened().await.map_err(|death| refused(owner, &AcquireError::Died(death)))?;
        Ok(callee(lease, ENGINE_SERVICE, Some(BINDING_ENTRYPOINT), Some(binding_props(workflow))))
    }

    fn binding(&self, key: &str) -> Option<&Binding> {
        let mut numbered = self.caller.bindings.iter().enumerate();
        numbered.find(|(position, _)| binding_key(*position) == key).map(|(_, binding)| binding)
    }

    /// A version without code: a plain request is answered from its files, and nothing else reaches anybody.
    fn assets_alone(&self, callee: Arc<Served>, version: VersionId) -> Callee {
        let (table, caller, sites) = (Arc::clone(&self.table), self.caller.key.worker, self.sites.clone());
        let http: HttpSender = Box::new(move |request: Request<Incoming>| {
            Box::pin(async move {
                let Some(_nested) = table.nest(caller, &callee) else { return Ok(circle()) };
                let (head, _) = request.into_parts();
                Ok(rpc_body(assets::serve(&sites, version, &head).await))
            })
        });
        Callee {
            debug_socket: PathBuf::new(),
            service: MAIN_SERVICE.to_owned(),
            entrypoint: None,
            props_json: None,
            lease: Box::new(()),
            leaving: Box::pin(std::future::pending()),
            http: Some(http),
        }
    }

    /// What the version's files answer, and plain HTTP to the instance. The lease is held by the callee, which lives until
    /// the response has ended.
    fn sender(&self, callee: Arc<Served>, version: VersionId, lease: Arc<Lease>) -> HttpSender {
        let (table, caller, sites) = (Arc::clone(&self.table), self.caller.key.worker, self.sites.clone());
        let losses = Arc::clone(&self.losses);
        Box::new(move |request: Request<Incoming>| {
            Box::pin(async move {
                let Some(_nested) = table.nest(caller, &callee) else { return Ok(circle()) };
                let (head, body) = request.into_parts();
                if callee.has_assets(version)
                    && let Some(answered) = assets::called(&sites, version, &head).await
                {
                    return Ok(rpc_body(answered));
                }
                let request = Request::from_parts(head, body);
                let ongoing = Ongoing::of(&losses, lease.instance(), &request);
                let answer = lease.send(request.map(RequestBody::Incoming)).await;
                if let (Err(SendError::Died(death)), Some(ongoing)) = (&answer, ongoing) {
                    ongoing.died(*death, None);
                }
                let response = answer?;
                Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
            })
        })
    }

    fn target(&self, key: &str) -> Result<Target<'_>, RouteError> {
        match self.binding(key).map(|binding| (&binding.name, &binding.kind)) {
            Some((binding, BindingKind::Service { service, entrypoint, props, .. })) => Ok(Target {
                binding,
                service,
                entrypoint: entrypoint.as_deref().filter(|name| *name != "default"),
                props: props.as_ref(),
            }),
            _ => Err(RouteError::not_found("There is no such service binding.")),
        }
    }

    fn worker(&self, binding: &str, service: &str) -> Result<Arc<Served>, RouteError> {
        let name = service.parse::<WorkerName>().ok();
        name.and_then(|name| self.table.sibling(self.caller.key.worker, &name)).ok_or_else(|| {
            RouteError::not_found(format!("Worker {service} (binding {binding}) does not exist."))
        })
    }
}

fn rpc_body(response: Response<axum::body::Body>) -> Response<hearth_rpc::Body> {
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn callee(lease: Arc<Lease>, service: &str, entrypoint: Option<&str>, props: Option<String>) -> Callee {
    let leaving = Arc::clone(&lease);
    Callee {
        debug_socket: lease.instance().debug_socket().to_owned(),
        service: service.to_owned(),
        entrypoint: entrypoint.map(str::to_owned),
        props_json: props,
        leaving: Box::pin(async move { leaving.draining().await }),
        lease: Box::new(lease),
        http: None,
    }
}

fn refused(service: &str, error: &AcquireError) -> RouteError {
    let text = match error {
        AcquireError::Overloaded(reason) => format!("Worker {service} is overloaded: {reason}"),
        AcquireError::Quota(reason) => format!("Worker {service} could not start: {reason}"),
        AcquireError::Died(death) => format!("Worker {service} could not start: {}", death.explanation()),
        AcquireError::Refused(error) => format!("Worker {service} could not start: {error}"),
        AcquireError::NoCode => format!("Worker {service} has no code, only static assets."),
        AcquireError::NoSuchVersion(_) | AcquireError::Internal(_) => {
            format!("Worker {service} could not start.")
        }
        AcquireError::ShuttingDown => "The server is shutting down.".to_owned(),
    };
    RouteError::unavailable(text).with_internal(error.to_string())
}

/// What a call gets that closes a circle, as one over a public host does.
fn circle() -> Response<hearth_rpc::Body> {
    let text = "error code: 1019\nCompute server error: workers call each other in a circle.\n";
    let mut response = Response::new(Full::from(text).map_err(Into::into).boxed_unsync());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
