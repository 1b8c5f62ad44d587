//! A Hearth without a data plane.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use hearth_api::{Api, ApiConfig, Assets, Change, Runtime, Used, plain_router, router};
use hearth_assets::Contents;
use hearth_model::{
    AccountId, Area, AreaScope, BindingKind, Exports, Launch, Policy, ProbeError, Probed, Role, Target,
};
use hearth_space::Space;
use hearth_store::{Store, TokenOwner, TokenTerms, UserId};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt;

pub const TOKEN: &str = "an-admin-token-of-some-length";
pub const BOUNDARY: &str = "----formdata-undici-010117596780";

/// Notes what it is told. Code that contains `BROKEN` does not pass the probe, `UNAVAILABLE` breaks the probe itself,
/// `SLOW` is probed until `gate` opens.
#[derive(Default)]
pub struct Notes {
    pub probing: Notify,
    pub gate: Notify,
    pub probed: Mutex<Vec<Launch>>,
    pub changes: Mutex<Vec<Change>>,
}

impl Notes {
    /// The secrets of the last candidate.
    pub fn last_secrets(&self) -> BTreeMap<String, String> {
        let probed = self.probed.lock().unwrap();
        let secret = |binding: &hearth_model::Binding| match &binding.kind {
            BindingKind::SecretText { text: Some(text) } => Some((binding.name.clone(), text.clone())),
            _ => None,
        };
        probed.last().unwrap().bindings.iter().filter_map(secret).collect()
    }

    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut self.changes.lock().unwrap())
    }
}

#[async_trait]
impl Runtime for Notes {
    async fn probe(&self, candidate: Launch) -> Result<Probed, ProbeError> {
        let contains = |word: &str| {
            candidate.modules.iter().any(|module| String::from_utf8_lossy(&module.content).contains(word))
        };
        let (broken, unavailable) = (contains("BROKEN"), contains("UNAVAILABLE"));
        let (slow, mail) = (contains("SLOW"), contains("email("));
        self.probed.lock().unwrap().push(candidate);
        if slow {
            self.probing.notify_one();
            self.gate.notified().await;
        }
        if broken {
            return Err(ProbeError::Invalid(
                "Uncaught SyntaxError: Unexpected token\n  at index.js:2:5\n".into(),
            ));
        }
        if unavailable {
            return Err(ProbeError::Unavailable("no spare process at /run/secret".into()));
        }
        let handlers =
            ["fetch", "email"].map(str::to_owned).into_iter().take(if mail { 2 } else { 1 }).collect();
        let exports = Exports { handlers, entrypoints: vec![] };
        Ok(Probed { exports, startup_time_ms: 3 })
    }

    async fn changed(&self, change: Change) {
        self.changes.lock().unwrap().push(change);
    }

    fn used(&self, _: &AccountId) -> Used {
        Used { instances: 2, memory: 3 << 20, storage: (1 << 20) + 1, requests: 7 }
    }

    fn check_egress_rules(&self, rules: &Value) -> Result<(), String> {
        if rules.is_object() { Ok(()) } else { Err("an object is expected".into()) }
    }
}

pub struct Hearth {
    pub router: Router,
    pub store: Store,
    pub notes: Arc<Notes>,
    pub account: String,
    pub assets: Assets,
    folder: tempfile::TempDir,
}

/// An answer: status, headers, and the envelope.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: Bytes,
    pub body: Value,
}

impl Answer {
    /// The result of a call that must have succeeded.
    #[track_caller]
    pub fn result(&self) -> &Value {
        assert_eq!((self.status, &self.body["success"]), (StatusCode::OK, &json!(true)), "{}", self.body);
        &self.body["result"]
    }

    /// Status, code and message of a call that must have failed.
    #[track_caller]
    pub fn error(&self) -> (u16, u64, &str) {
        assert_eq!(self.body["success"], false, "{}", self.body);
        assert_eq!(self.body["messages"], json!([]));
        let error = &self.body["errors"][0];
        (self.status.as_u16(), error["code"].as_u64().unwrap(), error["message"].as_str().unwrap())
    }

    #[track_caller]
    pub fn code(&self) -> u64 {
        self.error().1
    }
}

impl Hearth {
    pub async fn start() -> Self {
        Self::with(ApiConfig::default()).await
    }

    pub async fn with(config: ApiConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let account = store.bootstrap(Some(TOKEN)).await.unwrap().account.id.to_string();
        let notes = Arc::new(Notes::default());
        let api = Api::new(store.clone(), notes.clone(), config);
        let contents = Contents::open(folder.path().join("assets"), Space::unbounded()).unwrap();
        let assets = Assets::new(api.clone(), contents);
        let uploads = plain_router(api.clone(), assets.uploads());
        let router = router(api, assets.operations()).merge(uploads);
        Self { router, store, notes, account, assets, folder }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, text, body }
    }

    pub async fn call_as(&self, token: &str, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(self.uri(path))
            .header("authorization", format!("Bearer {token}"))
            .header("user-agent", "wrangler/4.164.0")
            .header("content-type", "text/plain;charset=UTF-8")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// `W/` at the beginning stands for the account's `workers/`.
    pub fn uri(&self, path: &str) -> String {
        match path.strip_prefix("W/") {
            Some(rest) => format!("/client/v4/accounts/{}/workers/{rest}", self.account),
            None => format!("/client/v4/{path}"),
        }
    }

    /// As if every upload of assets had begun long ago.
    pub fn end_sessions(&self) {
        let metadata = rusqlite::Connection::open(self.folder.path().join("hearth.db")).unwrap();
        metadata.execute("UPDATE asset_sessions SET expires_on = 0", ()).unwrap();
    }

    /// A token of an account that may do everything in it.
    pub async fn token_of(&self, account: &AccountId) -> String {
        self.token_with(TokenOwner::Account(account.clone()), Policy::whole_account(account)).await
    }

    /// A token with these policies.
    pub async fn token_with(&self, owner: TokenOwner, policies: Vec<Policy>) -> String {
        let terms = TokenTerms { name: "t".to_owned(), policies, ..TokenTerms::default() };
        self.store.create_token("t@example.com", owner, terms).await.unwrap().text
    }

    /// A person who is that in the account, by a token that may do all that they may.
    pub async fn person(&self, email: &str, role: Role) -> (UserId, String) {
        let account = self.account.parse().unwrap();
        let (_, user) = self.store.add_member(&account, email, role).await.unwrap();
        let all = |scope, target| {
            let given = |area: &Area| area.scope() == scope;
            let permissions = Area::ALL.into_iter().filter(given).map(Area::write).collect();
            Policy { id: "p".to_owned(), resources: vec![target], permissions }
        };
        let policies = vec![
            all(AreaScope::Account, Target::Accounts),
            all(AreaScope::Zone, Target::Zones),
            all(AreaScope::User, Target::User(user.id.to_string())),
        ];
        (user.id.clone(), self.token_with(TokenOwner::User(user.id), policies).await)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call_as(TOKEN, Method::GET, path, Body::empty()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call_as(TOKEN, Method::DELETE, path, Body::empty()).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call_as(TOKEN, Method::PUT, path, body.to_string()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call_as(TOKEN, Method::POST, path, body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call_as(TOKEN, Method::PATCH, path, body.to_string()).await
    }

    pub async fn form(&self, method: Method, path: &str, form: Form) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(self.uri(path))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("user-agent", "wrangler/4.164.0")
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(Body::from(form.close()))
            .unwrap();
        self.send(request).await
    }

    /// As `wrangler deploy` does first: a version with all traffic.
    pub async fn deploy(&self, name: &str, metadata: Value, code: &str) -> Answer {
        let path = format!("W/scripts/{name}?excludeScript=true&bindings_inherit=strict");
        self.form(Method::PUT, &path, Form::worker(metadata, code)).await
    }

    /// As `wrangler versions upload` does; returns the version's id.
    #[track_caller]
    pub fn upload(&self, name: &str, metadata: Value, code: &str) -> impl Future<Output = String> {
        let path = format!("W/scripts/{name}/versions?bindings_inherit=strict");
        let form = Form::worker(metadata, code);
        async move {
            let answer = self.form(Method::POST, &path, form).await;
            answer.result()["id"].as_str().unwrap().to_owned()
        }
    }

    pub async fn release(&self, name: &str, shares: &[(&str, f64)], query: &str) -> Answer {
        let versions: Vec<Value> =
            shares.iter().map(|(id, share)| json!({"version_id": id, "percentage": share})).collect();
        let body = json!({"strategy": "percentage", "versions": versions});
        self.post(&format!("W/scripts/{name}/deployments{query}"), body).await
    }
}

/// A form as wrangler writes one.
#[derive(Default)]
pub struct Form(Vec<u8>);

impl Form {
    pub fn worker(metadata: Value, code: &str) -> Self {
        let mut whole = json!({"main_module": "index.js", "compatibility_date": "2026-01-01"});
        whole.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        Self::default()
            .field("metadata", &whole.to_string())
            .module("index.js", "application/javascript+module", code)
            .module("index.js.map", "application/source-map", "{}")
    }

    pub fn field(self, name: &str, content: &str) -> Self {
        self.part(&format!("name=\"{name}\""), content)
    }

    pub fn module(self, name: &str, media_type: &str, content: &str) -> Self {
        self.part(&format!("name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {media_type}"), content)
    }

    pub fn part(mut self, head: &str, content: &str) -> Self {
        let text = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub fn close(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}

pub const CODE: &str = "export default { fetch() { return new Response('hi') } }";
