//! Requests to functions: which one, in what turn, and how it went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_gateway::{Admission, ControlBody, PublicPaths, Visit, Way};
use hearth_model::{AccountId, WorkerId};
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::routes::Found;
use super::{Inner, Nexo};

/// How long a request waits for its turn.
const QUEUE: Duration = Duration::from_secs(10);

/// Where functions are served.
const PREFIX: &str = "/fn";

/// A request that has its turn.
pub(super) struct Turn {
    nexo: Arc<Inner>,
    account: AccountId,
    function: WorkerId,
    began: Instant,
    status: Option<StatusCode>,
    _place: OwnedSemaphorePermit,
}

impl Nexo {
    /// Waits for a turn among the account's functions, at most 10 s.
    pub(super) async fn turn(&self, account: &AccountId, function: WorkerId) -> Option<Turn> {
        let began = Instant::now();
        let place = tokio::time::timeout(QUEUE, self.places(account).acquire_owned()).await;
        let place = place.ok()?.ok()?;
        self.0.tally.begin(account, function);
        let (nexo, account) = (Arc::clone(&self.0), account.clone());
        Some(Turn { nexo, account, function, began, status: None, _place: place })
    }

    /// An account's own places: what one account's functions do holds up no other's.
    fn places(&self, account: &AccountId) -> Arc<Semaphore> {
        let most = self.0.config.max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let mut places = self.0.places.lock();
        Arc::clone(places.entry(account.clone()).or_insert_with(|| Arc::new(Semaphore::new(most))))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.nexo.tally.end(&self.account, self.function, self.status, self.began.elapsed());
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").field("function", &self.function).finish_non_exhaustive()
    }
}

impl Visit for Turn {
    fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl PublicPaths for Nexo {
    fn find(&self, method: &Method, path: &str) -> Option<Way> {
        let route = path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
        let route = if route.is_empty() { "/" } else { route };
        let found = self.0.routes.read().find(method, route);
        let text = format!("No function has the route {route:?}.");
        let worker = match &found {
            Found::To(function, _) | Found::Not(function, _) => Some(*function),
            Found::Unknown => None,
        };
        let nexo = self.clone();
        let admission = Box::pin(async move {
            match found {
                Found::To(function, account) => match nexo.turn(&account, function).await {
                    Some(turn) => Admission::Enter(Box::new(turn)),
                    None => Admission::Answer(busy()),
                },
                Found::Not(_, methods) => Admission::Answer(not_allowed(&methods)),
                Found::Unknown => Admission::Answer(refusal(StatusCode::NOT_FOUND, &text)),
            }
        });
        Some(Way { worker, admission })
    }
}

fn busy() -> Response<ControlBody> {
    let text = "Too many functions are running; the request has waited 10 s for its turn.";
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn not_allowed(methods: &[String]) -> Response<ControlBody> {
    let allowed = methods.join(", ");
    let mut response =
        refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("The function takes {allowed} only."));
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

fn refusal(status: StatusCode, text: &str) -> Response<ControlBody> {
    let body = Full::from(json!({"error": text}).to_string()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
