//! An instance's `bindings.sock`: KV, R2, D1, … for one worker. Which socket a request arrives on says who asks, a
//! header says on which of its bindings.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use hearth_metrics::{ACTIONS, Kind};
use hearth_model::{Binding, BindingKind};
use hearth_supervisor::{BINDING_HEADER, CACHE_KEY, Identity, Peer, Supervisor, WORKFLOWS_KEY, binding_key};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// Connections of one instance that are served at once. workerd opens one for each call in flight; more wait in the
/// socket's backlog, which costs no descriptor of ours.
const CONNECTIONS: usize = 256;

/// What bindings lead to. One for the whole server.
#[derive(Clone)]
pub struct Capabilities {
    /// Workers KV.
    pub kv: hearth_kv::Kv,
    /// Queues.
    pub queues: hearth_queues::Queues,
    /// R2.
    pub r2: hearth_r2::R2,
    /// D1.
    pub d1: hearth_d1::wire::Wire,
    /// What Durable Objects store.
    pub objects: hearth_objects::Objects,
    /// The Cache API.
    pub cache: hearth_cache::Cache,
    /// Static assets.
    pub assets: hearth_assets::Sites,
    /// Rate limits.
    pub limits: hearth_ratelimit::Limits,
    /// Analytics Engine.
    pub analytics: hearth_analytics::Analytics,
    /// Counts what is asked of them.
    pub operations: Arc<hearth_metrics::Operations>,
    /// Counts what is asked of KV namespaces.
    pub usage: Arc<hearth_metrics::Usage>,
}

/// Serves the socket of one instance until it is dropped.
pub struct Bindings(JoinHandle<()>);

impl Drop for Bindings {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bindings {
    /// Begins to serve, and nobody but `peer`.
    pub fn serve(
        listener: UnixListener,
        peer: Peer,
        identity: Arc<Identity>,
        capabilities: Capabilities,
        supervisor: Supervisor,
    ) -> Self {
        let asked = Arc::new(Asked { identity, capabilities, supervisor });
        Self(tokio::spawn(accept(listener, peer, asked)))
    }
}

/// Who asks, and what answers.
struct Asked {
    identity: Arc<Identity>,
    capabilities: Capabilities,
    supervisor: Supervisor,
}

async fn accept(listener: UnixListener, peer: Peer, asked: Arc<Asked>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) if peer.admits(&stream) => stream,
            Ok(_) => continue,
            Err(error) => {
                tracing::warn!(%error, worker = %asked.identity.name, "a connection to a binding cannot be taken");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let asked = Arc::clone(&asked);
        connections.spawn(async move {
            let _place = place;
            let answer = service_fn(|request| {
                let asked = Arc::clone(&asked);
                async move { Ok::<_, std::convert::Infallible>(asked.answer(request).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            // An end in the middle is the worker's affair: its process was stopped, or it gave up.
            let _ = server.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

impl Asked {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.headers().get(BINDING_HEADER).is_some_and(|key| key == WORKFLOWS_KEY) {
            self.supervisor.used(self.identity.key.worker);
            return Response::new(Body::empty());
        }
        self.capabilities.answer(&self.identity, request).await
    }
}

impl Capabilities {
    async fn answer(&self, identity: &Identity, request: Request<Incoming>) -> Response<Body> {
        let began = Instant::now();
        let cache = request.headers().get(BINDING_HEADER).is_some_and(|key| key == CACHE_KEY);
        let (kind, response) = match binding(identity, &request) {
            _ if cache => {
                let request = request.map(Body::new);
                (Some(Kind::Cache), self.cache.serve(identity.account.as_str(), request).await)
            }
            Some(binding) => (kind(binding), self.ask(identity, binding, request.map(Body::new)).await),
            None => return refusal(StatusCode::NOT_FOUND, "There is no such binding."),
        };
        if let Some(kind) = kind {
            self.operations.record(kind, began.elapsed(), response.status().is_server_error());
        }
        response
    }

    async fn ask(&self, identity: &Identity, binding: &Binding, request: Request<Body>) -> Response<Body> {
        match &binding.kind {
            BindingKind::KvNamespace { namespace_id } => {
                self.usage.record(&identity.account, namespace_id, kv_action(&request));
                self.kv.serve(namespace_id, request).await
            }
            BindingKind::R2Bucket { bucket_name, .. } => {
                self.r2.serve(&identity.account, bucket_name, request).await
            }
            BindingKind::Queue { queue_name, queue_id, delivery_delay } => {
                // Versions from before ids were kept have the name alone.
                let queue = queue_id.clone().or_else(|| self.queues.id(&identity.account, queue_name));
                self.queues.serve(queue.as_deref(), *delivery_delay, request).await
            }
            BindingKind::D1 { id } => match id.parse() {
                Ok(id) => self.d1.answer(id, request).await.map(Body::new),
                Err(_) => refusal(StatusCode::NOT_FOUND, "There is no such database."),
            },
            BindingKind::Ratelimit { namespace_id, simple } => {
                self.limits.serve(identity.account.as_str(), namespace_id, *simple, request).await
            }
            BindingKind::AnalyticsEngine { dataset } => {
                super::analytics::serve(&self.analytics, identity, binding, dataset.as_deref(), request).await
            }
            BindingKind::Assets {} => {
                let (head, _) = request.into_parts();
                super::assets::serve(&self.assets, identity.key.version, &head).await
            }
            _ => refusal(StatusCode::NOT_IMPLEMENTED, "This binding has no service."),
        }
    }
}

/// Which of the counted actions a call on a KV binding is; workerd asks for a list as for the key of no name.
fn kv_action(request: &Request<Body>) -> usize {
    let named = request.uri().query().is_some_and(|query| query.contains("urlencoded"));
    let name = match *request.method() {
        Method::PUT => "write",
        Method::DELETE => "delete",
        Method::GET if request.uri().path() == "/" && !named => "list",
        _ => "read",
    };
    ACTIONS.iter().position(|action| *action == name).unwrap_or_default()
}

/// As what a call on a binding is counted.
fn kind(binding: &Binding) -> Option<Kind> {
    Some(match binding.kind {
        BindingKind::KvNamespace { .. } => Kind::Kv,
        BindingKind::R2Bucket { .. } => Kind::R2,
        BindingKind::D1 { .. } => Kind::D1,
        BindingKind::Queue { .. } => Kind::Queue,
        BindingKind::Ratelimit { .. } => Kind::RateLimit,
        BindingKind::AnalyticsEngine { .. } => Kind::Analytics,
        _ => return None,
    })
}

/// The binding that a request is made on.
fn binding<'a>(identity: &'a Identity, request: &Request<Incoming>) -> Option<&'a Binding> {
    let key = request.headers().get(BINDING_HEADER)?.to_str().ok()?;
    let mut numbered = identity.bindings.iter().enumerate();
    numbered.find(|(position, _)| binding_key(*position) == key).map(|(_, binding)| binding)
}

fn refusal(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
