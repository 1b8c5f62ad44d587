//! Whose keys there are, and what they may do.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use hearth_model::{AccountId, On, Right, ThingKind, TooMany};
use hearth_store::{Entity, S3Key, Store};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use crate::host::Addressed;
use crate::rights;
use crate::{error, unsupported};

/// Who makes a request, and in which account.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) key: Arc<S3Key>,
    pub(crate) account: AccountId,
}

impl Caller {
    /// Refuses what the key does not allow.
    pub(crate) fn require(&self, bucket: Option<&str>, right: Right) -> S3Result {
        let on = match bucket {
            Some(bucket) => On::Thing(&self.account, ThingKind::Bucket, bucket),
            None => On::Account(&self.account),
        };
        if self.key.principal.grants.allows(right, on) {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied, "Access Denied."))
        }
    }
}

/// The address at the other end of a request's connection.
#[derive(Clone, Copy)]
pub(crate) struct Client(pub(crate) Option<IpAddr>);

/// What a request turned out to be, for who stands around `s3s`.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) caller: OnceLock<Caller>,
    pub(crate) operation: OnceLock<String>,
}

/// Counts the requests of accounts.
pub trait Requests: Send + Sync + 'static {
    /// One more of an account's.
    ///
    /// # Errors
    /// It has had as many in this minute as it may.
    fn arrive(&self, account: &AccountId) -> Result<(), TooMany>;
}

/// API tokens as access keys.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) store: Store,
    pub(crate) requests: Arc<dyn Requests>,
    pub(crate) default_account: AccountId,
}

impl Keys {
    async fn key(&self, access_key: &str) -> S3Result<Arc<S3Key>> {
        let found = self.store.s3_key(access_key).await.map_err(|error| error::of_store(&error))?;
        found.ok_or_else(|| {
            s3_error!(
                InvalidAccessKeyId,
                "The AWS access key ID that you provided does not exist in our records."
            )
        })
    }

    /// The account that a request is about: the one in the host where the key is for more than one.
    async fn account(&self, key: &S3Key, addressed: Option<Addressed>) -> S3Result<AccountId> {
        let named = addressed.and_then(|addressed| addressed.account);
        let Some(own) = key.principal.grants.accounts() else {
            let Some(named) = named else { return Ok(self.default_account.clone()) };
            return match self.store.account(&named).await {
                Ok(account) => Ok(account.id),
                Err(error) if error.is_not_found(Entity::Account) => Err(denied()),
                Err(error) => Err(error::of_store(&error)),
            };
        };
        let account = match named {
            Some(named) => own.into_iter().find(|own| **own == named),
            None => own.into_iter().next(),
        };
        account.cloned().ok_or_else(denied)
    }
}

fn denied() -> s3s::S3Error {
    s3_error!(AccessDenied, "Access Denied.")
}

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(self.key(access_key).await?.secret.as_str()))
    }
}

#[async_trait::async_trait]
impl S3Access for Keys {
    /// Runs before anything of an operation: what passes has a [`Caller`] among its extensions.
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(credentials) = request.credentials() else {
            return Err(s3_error!(AccessDenied, "Missing authentication: the request is not signed."));
        };
        let key = self.key(&credentials.access_key).await?;
        let client = request.extensions_mut().get::<Client>().and_then(|client| client.0);
        if !key.principal.token.terms.condition.admits(client) {
            return Err(denied());
        }
        let operation = request.s3_op().name().to_owned();
        let Some((right, on)) = rights::needed(&operation) else {
            return Err(s3_error!(NotImplemented, "{operation} not implemented"));
        };
        if let Some((name, value)) = unsupported::header(request.headers()) {
            return Err(s3_error!(NotImplemented, "Header '{name}' with value '{value}' not implemented"));
        }
        let bucket = match request.s3_path() {
            S3Path::Root => None,
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => Some(bucket.to_string()),
        };
        let addressed = request.extensions_mut().get::<Addressed>().cloned();
        let account = self.account(&key, addressed).await?;
        let caller = Caller { key, account };
        caller.require(bucket.as_deref().filter(|_| on == rights::On::Bucket), right)?;
        self.requests.arrive(&caller.account).map_err(error::too_many)?;
        if let Some(known) = request.extensions_mut().get::<Arc<Known>>() {
            let _ = known.caller.set(caller.clone());
            let _ = known.operation.set(operation);
        }
        request.extensions_mut().insert(caller);
        Ok(())
    }
}

/// Whoever a checked request is from.
pub(crate) fn caller<T>(request: &s3s::S3Request<T>) -> S3Result<Caller> {
    let caller = request.extensions.get::<Caller>().cloned();
    caller.ok_or_else(|| error::internal("a request reached its operation without a caller"))
}
