//! The table of all routes, and the router that is built from it.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;
use tower::{Layer, util::MapRequestLayer};

use crate::auth::{Gate, Refuse};
use crate::error::ApiError;
use crate::path::{PREFIX, normalize_request};
use crate::rights::{self, Need};
use crate::state::Api;
use crate::{
    access, accounts, auth, beta_versions, deployments, domains, egress, identity, members, quotas, scripts,
    secrets, services, session, settings, subdomain, tokens, triggers, unsupported, versions, workers, zones,
};

/// One operation of the API.
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path, with `{names}` where segments vary: below [`PREFIX`] for [`router`], whole for [`plain_router`].
    pub path: &'static str,
    /// What it takes to call it.
    need: Need,
    refuse: Option<Refuse>,
    handler: MethodRouter<Api, Infallible>,
}

impl Operation {
    /// An operation of a capability, whose handler has a state of its own. What it takes to call it, `rights.rs` says; what
    /// that does not know is for who answers for the installation.
    pub fn new<H, T, S>(method: Method, path: &'static str, handler: H, state: &S) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
        S: Clone + Send + Sync + 'static,
    {
        let handler = on(filter(&method), handler).with_state(state.clone());
        Self::of(method, path, handler)
    }

    fn of(method: Method, path: &'static str, handler: MethodRouter<Api, Infallible>) -> Self {
        let need = rights::needed(&method, path).unwrap_or(Need::Installation);
        Self { method, path, need, refuse: None, handler }
    }

    /// What it takes to call it.
    pub fn need(&self) -> Need {
        self.need
    }

    /// The same, for whoever calls: it asks for something of its own, such as a signature, or for nothing.
    pub fn without_token(self) -> Self {
        Self { need: Need::Open, ..self }
    }

    /// The same, with something else to take than the tables say.
    pub fn needs(self, need: Need) -> Self {
        Self { need, ..self }
    }

    /// The same, which says no in the words of a dialect.
    pub fn refused_as(self, refuse: Refuse) -> Self {
        Self { refuse: Some(refuse), ..self }
    }

    /// The handler behind what stands before it.
    fn guarded(self, api: &Api) -> MethodRouter<Api, Infallible> {
        let thing = rights::thing(&self.method, self.path);
        let gate = Gate { api: api.clone(), need: self.need, thing, refuse: self.refuse };
        self.handler.route_layer(from_fn_with_state(gate, auth::admit))
    }

    /// The same, run to its end as writes below [`PREFIX`] are ([`to_its_end`]).
    pub fn to_its_end(self) -> Self {
        Self { handler: self.handler.layer(from_fn(to_its_end)), ..self }
    }

    /// The same, with bodies of at most so many bytes; None: of any size.
    pub fn with_body_limit(self, most: Option<usize>) -> Self {
        let limit = most.map_or_else(DefaultBodyLimit::disable, DefaultBodyLimit::max);
        Self { handler: self.handler.layer(limit), ..self }
    }
}

fn op<H, T>(method: Method, path: &'static str, handler: H) -> Operation
where
    H: Handler<T, Api>,
    T: 'static,
{
    let handler = on(filter(&method), handler);
    Operation::of(method, path, handler)
}

/// Tables name only methods that a filter exists for.
fn filter(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET)
}

/// Every operation that needs no capability. What is neither in here nor brought along does not exist.
pub fn operations() -> Vec<Operation> {
    let (get, put, post) = (Method::GET, Method::PUT, Method::POST);
    let (patch, delete) = (Method::PATCH, Method::DELETE);
    vec![
        // Identity
        op(get.clone(), "/user", identity::user),
        op(patch.clone(), "/user", identity::patch_user),
        op(get.clone(), "/user/tokens/verify", identity::verify_token),
        op(get.clone(), "/accounts", identity::accounts),
        op(get.clone(), "/accounts/{account}", identity::account),
        op(get.clone(), "/accounts/{account}/tokens/verify", identity::verify_account_token),
        op(post.clone(), "/accounts", accounts::post),
        op(put.clone(), "/accounts/{account}", accounts::put),
        op(delete.clone(), "/accounts/{account}", accounts::delete),
        // Members
        op(get.clone(), "/accounts/{account}/roles", members::roles),
        op(get.clone(), "/accounts/{account}/roles/{role}", members::role),
        op(get.clone(), "/accounts/{account}/members", members::list),
        op(post.clone(), "/accounts/{account}/members", members::post),
        op(get.clone(), "/accounts/{account}/members/{member}", members::get),
        op(put.clone(), "/accounts/{account}/members/{member}", members::put),
        op(delete.clone(), "/accounts/{account}/members/{member}", members::delete),
        op(get.clone(), "/memberships", members::memberships),
        op(get.clone(), "/memberships/{membership}", members::membership),
        op(put.clone(), "/memberships/{membership}", members::decide),
        op(delete.clone(), "/memberships/{membership}", members::leave),
        // Tokens
        op(get.clone(), "/user/tokens", tokens::list),
        op(post.clone(), "/user/tokens", tokens::post),
        op(get.clone(), "/user/tokens/permission_groups", tokens::permission_groups),
        op(get.clone(), "/user/tokens/{token}", tokens::get),
        op(put.clone(), "/user/tokens/{token}", tokens::put),
        op(put.clone(), "/user/tokens/{token}/value", tokens::roll),
        op(delete.clone(), "/user/tokens/{token}", tokens::delete),
        op(get.clone(), "/accounts/{account}/tokens", tokens::list_account),
        op(post.clone(), "/accounts/{account}/tokens", tokens::post_account),
        op(get.clone(), "/accounts/{account}/tokens/permission_groups", tokens::account_permission_groups),
        op(get.clone(), "/accounts/{account}/tokens/{token}", tokens::get_account),
        op(put.clone(), "/accounts/{account}/tokens/{token}", tokens::put_account),
        op(put.clone(), "/accounts/{account}/tokens/{token}/value", tokens::roll_account),
        op(delete.clone(), "/accounts/{account}/tokens/{token}", tokens::delete_account),
        // Services
        op(get.clone(), "/accounts/{account}/workers/services/{worker}", services::get),
        op(delete.clone(), "/accounts/{account}/workers/services/{worker}", services::delete),
        // Scripts
        op(get.clone(), "/accounts/{account}/workers/scripts", scripts::list),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}", scripts::content),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}", scripts::put),
        op(delete.clone(), "/accounts/{account}/workers/scripts/{worker}", scripts::delete),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/content", scripts::content),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/content", scripts::put_content),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/content/v2", scripts::content_v2),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/references", scripts::references),
        // Versions and deployments
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/versions", versions::list),
        op(post.clone(), "/accounts/{account}/workers/scripts/{worker}/versions", versions::post),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/versions/{version}", versions::get),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/deployments", deployments::list),
        op(post.clone(), "/accounts/{account}/workers/scripts/{worker}/deployments", deployments::post),
        op(
            get.clone(),
            "/accounts/{account}/workers/scripts/{worker}/deployments/{deployment}",
            deployments::get,
        ),
        // Settings and secrets
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/settings", settings::get),
        op(patch.clone(), "/accounts/{account}/workers/scripts/{worker}/settings", settings::patch),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/script-settings", settings::get_script),
        op(
            patch.clone(),
            "/accounts/{account}/workers/scripts/{worker}/script-settings",
            settings::patch_script,
        ),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/secrets", secrets::list),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/secrets", secrets::put),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/secrets/{secret}", secrets::get),
        op(delete.clone(), "/accounts/{account}/workers/scripts/{worker}/secrets/{secret}", secrets::delete),
        op(patch.clone(), "/accounts/{account}/workers/scripts/{worker}/secrets-bulk", secrets::patch_bulk),
        // Workers
        op(get.clone(), "/accounts/{account}/workers/workers", workers::list),
        op(post.clone(), "/accounts/{account}/workers/workers", workers::post),
        op(get.clone(), "/accounts/{account}/workers/workers/{worker}", workers::get),
        op(put.clone(), "/accounts/{account}/workers/workers/{worker}", workers::patch),
        op(patch.clone(), "/accounts/{account}/workers/workers/{worker}", workers::patch),
        op(delete.clone(), "/accounts/{account}/workers/workers/{worker}", workers::delete),
        op(get.clone(), "/accounts/{account}/workers/workers/{worker}/versions", beta_versions::list),
        op(post.clone(), "/accounts/{account}/workers/workers/{worker}/versions", beta_versions::post),
        op(
            get.clone(),
            "/accounts/{account}/workers/workers/{worker}/versions/{version}",
            beta_versions::get,
        ),
        op(
            get.clone(),
            "/accounts/{account}/workers/workers/{worker}/versions/latest",
            beta_versions::get_latest,
        ),
        op(
            patch.clone(),
            "/accounts/{account}/workers/workers/{worker}/versions/latest",
            workers::patch_latest,
        ),
        // Hosts
        op(get.clone(), "/accounts/{account}/workers/subdomain", subdomain::get_account),
        op(put.clone(), "/accounts/{account}/workers/subdomain", subdomain::put_account),
        op(get.clone(), "/accounts/{account}/workers/subdomains/{subdomain}", subdomain::check_name),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/subdomain", subdomain::get),
        op(post.clone(), "/accounts/{account}/workers/scripts/{worker}/subdomain", subdomain::post),
        op(delete.clone(), "/accounts/{account}/workers/scripts/{worker}/subdomain", subdomain::delete),
        // Triggers
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/schedules", triggers::get_schedules),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/schedules", triggers::put_schedules),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/routes", triggers::get_routes),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/routes", triggers::put_routes),
        op(
            post.clone(),
            "/accounts/{account}/workers/scripts/{worker}/domains/changeset",
            domains::changeset,
        ),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/domains/records", domains::put_records),
        op(get.clone(), "/accounts/{account}/workers/domains", domains::list),
        op(put.clone(), "/accounts/{account}/workers/domains", domains::put),
        op(get.clone(), "/accounts/{account}/workers/domains/{domain}", domains::get),
        op(delete.clone(), "/accounts/{account}/workers/domains/{domain}", domains::delete),
        op(get.clone(), "/accounts/{account}/workers/domains/records", domains::list),
        op(get.clone(), "/accounts/{account}/workers/domains/records/{domain}", domains::get),
        op(delete.clone(), "/accounts/{account}/workers/domains/records/{domain}", domains::delete),
        // Zones
        op(get.clone(), "/zones", zones::list),
        op(post.clone(), "/zones", zones::post),
        op(get.clone(), "/zones/{zone}", zones::get),
        op(delete.clone(), "/zones/{zone}", zones::delete),
        op(get.clone(), "/zones/{zone}/workers/routes", zones::list_routes),
        op(post.clone(), "/zones/{zone}/workers/routes", zones::post_route),
        op(get.clone(), "/zones/{zone}/workers/routes/{route}", zones::get_route),
        op(put.clone(), "/zones/{zone}/workers/routes/{route}", zones::put_route),
        op(delete.clone(), "/zones/{zone}/workers/routes/{route}", zones::delete_route),
        // Not there yet, by name
        op(get.clone(), "/accounts/{account}/workers/subdomain/edge-preview", unsupported::remote_dev),
        op(
            post.clone(),
            "/accounts/{account}/workers/scripts/{worker}/edge-preview",
            unsupported::remote_dev,
        ),
        op(get.clone(), "/accounts/{account}/workers/workers/{worker}/previews", unsupported::previews),
        op(post.clone(), "/accounts/{account}/workers/workers/{worker}/previews", unsupported::previews),
        // Ours
        op(get.clone(), "/accounts/{account}/hearth/egress", egress::get_account),
        op(put.clone(), "/accounts/{account}/hearth/egress", egress::put_account),
        op(get.clone(), "/accounts/{account}/hearth/quotas", quotas::get),
        op(put.clone(), "/accounts/{account}/hearth/quotas", quotas::put),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/hearth/egress", egress::get_worker),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/hearth/egress", egress::put_worker),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/hearth/access", access::get),
        op(put.clone(), "/accounts/{account}/workers/scripts/{worker}/hearth/access", access::put),
        op(get.clone(), "/accounts/{account}/workers/scripts/{worker}/hearth/tokens", access::tokens),
        op(post, "/accounts/{account}/workers/scripts/{worker}/hearth/tokens", access::create),
        op(delete, "/accounts/{account}/workers/scripts/{worker}/hearth/tokens/{token}", access::revoke),
        op(get, "/installation/egress", egress::get_installation),
        op(put, "/installation/egress", egress::put_installation),
    ]
}

/// The API as a router for whole paths, `/client/v4` included. `capabilities` are the operations that others bring.
pub fn router(state: Api, capabilities: Vec<Operation>) -> Router {
    let mut inner = Router::new();
    for operation in operations().into_iter().chain(capabilities) {
        inner = inner.route(&format!("{PREFIX}{}", operation.path), operation.guarded(&state));
    }
    let inner = inner
        .fallback(unsupported::fallback)
        .method_not_allowed_fallback(unsupported::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), auth::authenticate))
        .layer(from_fn(session::guard))
        .layer(from_fn(to_its_end))
        .with_state(state);
    // A layer of the router itself runs after routing, so the path is rewritten around it.
    Router::new().fallback_service(MapRequestLayer::new(normalize_request).layer(inner))
}

/// Operations outside of [`PREFIX`] as a router for whole paths.
pub fn plain_router(state: Api, operations: Vec<Operation>) -> Router {
    let routed = operations
        .into_iter()
        .fold(Router::new(), |router, operation| router.route(operation.path, operation.guarded(&state)));
    routed.layer(from_fn(session::guard)).with_state(state)
}

/// Runs a call that writes to its end though its client goes away: between the store's commit and the data plane
/// there is no good moment to stop.
async fn to_its_end(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => ApiError::internal(error).into_response(),
    }
}
