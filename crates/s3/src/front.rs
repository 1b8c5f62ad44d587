//! What stands around `s3s`: what it would let through and R2 does not, CORS, request ids and the access log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_model::{AccountId, Hostname};
use hearth_r2::store::R2;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use s3s::service::S3Service;
use s3s::{Body, S3Error};
use uuid::Uuid;

use crate::access::{Client, Known};
use crate::host::{self, Addressed};
use crate::integrity::{Check, Verdict};
use crate::linger::{Asked, Upload};
use crate::{cors, signing};

/// Everything before and after `s3s`.
pub(crate) struct Front {
    service: S3Service,
    r2: R2,
    hosts: Vec<Hostname>,
    body_timeout: Duration,
}

/// What is remembered of a request while it is served.
struct Head {
    method: Method,
    path: String,
    headers: HeaderMap,
    addressed: Addressed,
    asked: Asked,
}

impl Head {
    /// Whether the path names an object.
    fn has_key(&self) -> bool {
        let path = self.path.trim_start_matches('/');
        match self.addressed.bucket {
            Some(_) => !path.is_empty(),
            None => path.split_once('/').is_some_and(|(_, key)| !key.is_empty()),
        }
    }
}

impl Front {
    pub(crate) fn new(service: S3Service, r2: R2, hosts: Vec<Hostname>, body_timeout: Duration) -> Self {
        Self { service, r2, hosts, body_timeout }
    }

    /// Answers a request.
    pub(crate) async fn handle(&self, mut request: Request<Incoming>, client: Client) -> Response<Body> {
        request.extensions_mut().insert(client);
        let began = Instant::now();
        let id = Uuid::new_v4().simple().to_string();
        let head = self.head(&request);
        let known = Arc::new(Known::default());
        let mut response = if head.method == Method::OPTIONS {
            self.preflight(&head)
        } else {
            let response = self.answer(request, &head, Arc::clone(&known)).await;
            self.with_cors(response, &head, known.caller.get().map(|caller| &caller.account))
        };
        if !head.asked.yes() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("x-amz-request-id", id);
        }
        tracing::info!(
            target: "access",
            listener = "s3",
            id,
            method = %head.method,
            // Never the query: a presigned URL's is as good as its key.
            path = head.path,
            operation = known.operation.get().map(String::as_str).unwrap_or_default(),
            token = known.caller.get().map(|caller| caller.key.principal.token.id.as_str()).unwrap_or_default(),
            status = response.status().as_u16(),
            us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        );
        response
    }

    fn head(&self, request: &Request<Incoming>) -> Head {
        let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
        let host = host.or_else(|| request.uri().authority().map(http::uri::Authority::as_str));
        Head {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            asked: Asked::of(request.headers()),
            headers: request.headers().clone(),
            addressed: host.map(|host| host::parse(host, &self.hosts)).unwrap_or_default(),
        }
    }

    async fn answer(&self, request: Request<Incoming>, head: &Head, known: Arc<Known>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let verdict = Verdict::default();
        let checked = signing::check(&parts.method, parts.uri.query(), &parts.headers)
            .and_then(|()| Check::of(&parts.method, head.has_key(), &parts.headers, verdict.clone()));
        let check = match checked {
            Ok(check) => check,
            Err(error) => {
                drop(Upload::new(body, head.asked.clone(), None, self.body_timeout));
                return refusal(error);
            }
        };
        let body = Upload::new(body, head.asked.clone(), check, self.body_timeout);
        parts.extensions.insert(head.addressed.clone());
        parts.extensions.insert(known);
        let request = Request::from_parts(parts, Body::http_body_unsync(body));
        let answered = self.service.call(request).await;
        if let Some(wrong) = verdict.take() {
            return refusal(wrong);
        }
        match answered {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(?error, "an S3 request could not be answered");
                refusal(S3Error::new(s3s::S3ErrorCode::InternalError))
            }
        }
    }

    /// Answers a browser that asks whether a page may make a request. It comes without a signature, so a bucket that is
    /// not there answers as one whose rules allow nothing.
    fn preflight(&self, head: &Head) -> Response<Body> {
        match self.rules(head, None).iter().find_map(|rules| cors::preflight(rules, &head.headers)) {
            Some(headers) => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                *response.headers_mut() = headers;
                response
            }
            None => refusal(s3s::s3_error!(AccessDenied, "CORSResponse: This CORS request is not allowed.")),
        }
    }

    fn with_cors(
        &self,
        mut response: Response<Body>,
        head: &Head,
        account: Option<&AccountId>,
    ) -> Response<Body> {
        if head.headers.contains_key(header::ORIGIN) {
            for rules in self.rules(head, account) {
                response.headers_mut().extend(cors::actual(&rules, &head.method, &head.headers));
            }
        }
        response
    }

    /// The rules of the bucket that a request names; of each account's bucket of that name where the account is not
    /// known.
    fn rules(&self, head: &Head, account: Option<&AccountId>) -> Vec<Vec<cors::Rule>> {
        let first = head.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let name = head.addressed.bucket.as_deref().unwrap_or(first);
        let buckets = match account.or(head.addressed.account.as_ref()) {
            Some(account) => self.r2.bucket(account, name).into_iter().collect(),
            None => {
                let mut all = self.r2.all();
                all.retain(|bucket| bucket.name() == name);
                all
            }
        };
        buckets.iter().map(|bucket| cors::rules(bucket.settings().cors.as_deref())).collect()
    }
}

fn refusal(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
