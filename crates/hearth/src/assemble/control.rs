//! What answers on the control host.

use axum::Router;
use futures::future::BoxFuture;
use hearth_access::Access;
use hearth_api::Operation;
use hearth_api::session::Peer;
use hearth_dialects::nexo::Nexo;
use hearth_gateway::{Client, Control, ControlBody, Guard, Inspections, PublicPaths};
use hearth_inspector::Inspector;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tower::ServiceExt;
use tower::util::MapResponseLayer;

/// What a load balancer asks.
pub(super) fn health() -> Operation {
    let well = || async { axum::Json(serde_json::json!({ "status": "ok" })) };
    Operation::new(Method::GET, "/health", well, &()).without_token()
}

/// The control host: the console, the API, dialects, and what a load balancer asks. Whatever answers, browsers are told
/// that it is no page, but the console.
pub(super) struct ControlHost {
    router: Router,
    nexo: Nexo,
    inspector: Inspector,
    access: Access,
    /// Not on the gateway's threads: what takes long here must not hold up traffic there.
    here: tokio::runtime::Handle,
}

impl ControlHost {
    pub(super) fn new(router: Router, nexo: Nexo, inspector: Inspector, access: Access) -> Self {
        let router = router.merge(hearth_console::router());
        let router = router.layer(MapResponseLayer::new(|mut response: axum::response::Response| {
            hearth_console::seal(response.headers_mut());
            response
        }));
        Self { router, nexo, inspector, access, here: tokio::runtime::Handle::current() }
    }
}

impl Control for ControlHost {
    fn call(&self, mut request: Request<Incoming>) -> BoxFuture<'static, Response<ControlBody>> {
        if let Some(client) = request.extensions().get::<Client>().copied() {
            request.extensions_mut().insert(Peer { ip: client.ip, https: client.https });
        }
        let invokes = hearth_functions::is_invoke(request.method(), request.uri().path());
        let answer = self.router.clone().oneshot(request.map(axum::body::Body::new));
        if invokes {
            // Traffic in all but its host: what it waits for is a process, as every request here does.
            return Box::pin(async move {
                let Ok(response) = answer.await;
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            });
        }
        let answer = self.here.spawn(answer);
        Box::pin(async move {
            match answer.await {
                Ok(Ok(response)) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
                Ok(Err(never)) => match never {},
                Err(error) => {
                    tracing::error!(%error, "an API call ended in a panic");
                    let mut response =
                        Response::new(http_body_util::Empty::new().map_err(Into::into).boxed_unsync());
                    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }

    fn guard(&self) -> Option<&dyn Guard> {
        Some(&self.access)
    }

    fn inspections(&self) -> Option<&dyn Inspections> {
        Some(&self.inspector)
    }

    fn public(&self) -> Option<&dyn PublicPaths> {
        Some(&self.nexo)
    }
}
