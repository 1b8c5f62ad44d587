//! `POST scripts/:worker/assets-upload-session`, and the sessions under way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use axum::extract::{Request, State};
use hearth_assets::{ContentHash, Contents, Folder};
use hearth_model::AccountId;
use hearth_store::AssetSession;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::{Mutex, PoisonError};

use super::announce::{Announced, Announcement, buckets, come_singly};
use super::token::{Claims, Good};
use super::{list, upload};
use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::read;
use crate::params::Params;
use crate::routes::Operation;
use crate::state::Api;

/// How long a session lasts, and with it its tokens: Cloudflare's.
const LASTS: SignedDuration = SignedDuration::from_hours(1);

/// Largest announcement, in bytes: 100,000 files with long paths.
const MAX_ANNOUNCEMENT: usize = 32 << 20;

/// Sessions that are kept in memory.
const KEPT: usize = 16;

/// Contents that wrangler uploads at once where it uploads them one by one.
const AT_ONCE: u32 = 6;

/// The calls that upload assets. Clones are the same.
#[derive(Clone)]
pub struct Assets(Arc<Inner>);

struct Inner {
    api: Api,
    contents: Contents,
    /// The newest at the end.
    sessions: Mutex<VecDeque<Arc<Session>>>,
}

/// A session as its uploads need it.
pub(super) struct Session {
    id: String,
    pub(super) account: AccountId,
    pub(super) folder: Folder,
    pub(super) announced: HashMap<ContentHash, Announced>,
    missing: Mutex<HashSet<ContentHash>>,
    expires_on: Timestamp,
}

impl Session {
    /// Says that contents are there.
    pub(super) fn arrived(&self, contents: &[ContentHash]) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        for content in contents {
            missing.remove(content);
        }
    }

    /// The token that makes a version of it, once nothing is missing.
    pub(super) fn complete(&self, key: &[u8; 32]) -> Option<String> {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.is_empty().then(|| claims(&self.id, Good::Deploy, self.expires_on).sign(key))
    }
}

fn claims(session: &str, good: Good, expires_on: Timestamp) -> Claims {
    Claims {
        sub: session.to_owned(),
        good,
        exp: expires_on.as_second(),
        wrangler_single_asset_uploads: false,
        edge_kv_upload_concurrency: None,
    }
}

impl Assets {
    /// The calls over an account's contents.
    pub fn new(api: Api, contents: Contents) -> Self {
        Self(Arc::new(Inner { api, contents, sessions: Mutex::default() }))
    }

    pub(super) fn api(&self) -> &Api {
        &self.0.api
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.0.contents
    }

    /// What the API can do.
    pub fn operations(&self) -> Vec<Operation> {
        const SESSION: &str = "/accounts/{account}/workers/scripts/{worker}/assets-upload-session";
        const LIST: &str = "/accounts/{account}/workers/scripts/{worker}/hearth/assets";
        vec![
            Operation::new(Method::POST, SESSION, begin, self),
            Operation::new(Method::GET, LIST, list::list, self),
        ]
    }

    /// The uploads, with whole paths: they show a session's token instead of an API token.
    pub fn uploads(&self) -> Vec<Operation> {
        const MANY: &str = "/client/v4/accounts/{account}/workers/assets/upload";
        const ONE: &str = "/client/v4/accounts/{account}/workers/assets/upload/{hash}";
        vec![
            Operation::new(Method::POST, MANY, upload::bulk, self).without_token(),
            Operation::new(Method::POST, ONE, upload::single, self).without_token(),
        ]
    }

    /// The session whose token a call shows.
    pub(super) async fn session(&self, headers: &HeaderMap, account: &str) -> Result<Arc<Session>, ApiError> {
        let refused = || {
            ApiError::new(
                StatusCode::UNAUTHORIZED,
                code::AUTHENTICATION,
                "The token of this asset upload is not valid, or has expired. Deploy again: what was uploaded is kept.",
            )
        };
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = authorization.and_then(|text| text.split_once(' ')).map(|(_, token)| token.trim());
        let key = self.api().store().assets_key();
        let now = Timestamp::now().as_second();
        let claims = token.and_then(|token| Claims::verify(token, &key, now)).ok_or_else(refused)?;
        if claims.good != Good::Upload {
            return Err(refused());
        }
        let session = match self.kept(&claims.sub) {
            Some(session) => session,
            None => self.reopen(&claims.sub).await?.ok_or_else(refused)?,
        };
        if session.account.as_str() == account { Ok(session) } else { Err(refused()) }
    }

    fn kept(&self, id: &str) -> Option<Arc<Session>> {
        let sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().find(|session| session.id == id).cloned()
    }

    fn keep(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        // Who came first while another one was reading it is the one.
        if let Some(first) = sessions.iter().find(|other| other.id == session.id) {
            return Arc::clone(first);
        }
        if sessions.len() >= KEPT {
            sessions.pop_front();
        }
        sessions.push_back(Arc::clone(&session));
        session
    }

    /// A session from before, or one that others have driven out of memory.
    async fn reopen(&self, id: &str) -> Result<Option<Arc<Session>>, ApiError> {
        let Some(stored) = self.api().store().asset_session(id).await? else { return Ok(None) };
        let announcement = Announcement::read(&stored.files)?;
        let missing = self.missing(&stored.account, &announcement).await?;
        Ok(Some(self.keep(self.open(&stored, &announcement, &missing).await?)))
    }

    async fn open(
        &self,
        stored: &AssetSession,
        announcement: &Announcement,
        missing: &[(String, u64)],
    ) -> Result<Session, ApiError> {
        let (contents, account) = (self.0.contents.clone(), stored.account.clone());
        let folder = tokio::task::spawn_blocking(move || contents.folder(&account)).await;
        Ok(Session {
            id: stored.id.clone(),
            account: stored.account.clone(),
            folder: folder.map_err(ApiError::internal)?.map_err(ApiError::internal)?,
            announced: announcement.contents(),
            missing: Mutex::new(missing.iter().filter_map(|(hash, _)| hash.parse().ok()).collect()),
            expires_on: stored.expires_on,
        })
    }

    /// The announced contents that an account does not have.
    async fn missing(
        &self,
        account: &AccountId,
        announcement: &Announcement,
    ) -> Result<Vec<(String, u64)>, ApiError> {
        let present = self.api().store().asset_contents(account, &announcement.hashes()).await?;
        let mut seen = HashSet::new();
        let files = announcement.manifest.values();
        let missing = files.filter(|file| !present.contains_key(&file.hash) && seen.insert(&file.hash));
        Ok(missing.map(|file| (file.hash.clone(), file.size)).collect())
    }
}

/// `POST assets-upload-session`: `{manifest: {path: {hash, size}}}` → `{jwt, buckets}`. The worker need not exist.
async fn begin(
    State(assets): State<Assets>,
    InAccount(account): InAccount,
    params: Params,
    request: Request,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let body = read(request.into_body(), MAX_ANNOUNCEMENT).await?;
    let announcement = Announcement::read(&body)?;
    let store = assets.api().store();
    // Until the session is written, nobody else knows that it counts on what is there.
    let _using = assets.0.contents.using().await;
    let missing = assets.missing(&account.id, &announcement).await?;
    let stored = AssetSession::new(account.id.clone(), &name, body, LASTS);
    store.begin_assets(&stored).await?;
    let key = store.assets_key();
    if missing.is_empty() {
        let jwt = claims(&stored.id, Good::Deploy, stored.expires_on).sign(&key);
        return Ok(Reply::new(json!({"jwt": jwt, "buckets": []})));
    }
    let singly = come_singly(&missing);
    let claims = Claims {
        wrangler_single_asset_uploads: singly,
        edge_kv_upload_concurrency: singly.then_some(AT_ONCE),
        ..claims(&stored.id, Good::Upload, stored.expires_on)
    };
    assets.keep(assets.open(&stored, &announcement, &missing).await?);
    Ok(Reply::new(json!({"jwt": claims.sign(&key), "buckets": buckets(&missing)})))
}
