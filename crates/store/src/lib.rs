//! The metadata of an installation: accounts, workers, versions, deployments, routes and secrets, and the blobs
//! that hold code.
//!
//! [`Store`] is one folder: `hearth.db` (SQLite, WAL, `synchronous=FULL`), `blobs/` (content-addressed by BLAKE3)
//! and `secrets.key` (the master key). What a call acknowledges is on disk: `kill -9` loses nothing of it. The
//! signatures know neither paths nor row numbers, so that PostgreSQL and S3 can stand behind them one day.
//!
//! Each file here is one topic: its types, and its part of `impl Store`.

#![forbid(unsafe_code)]

mod access;
mod access_keys;
mod accounts;
mod assets;
mod blobs;
mod cache;
mod credentials;
mod deployments;
mod domains;
mod egress;
mod error;
mod folder;
mod garbage;
mod id;
mod keys;
mod labels;
mod launch;
mod members;
mod oauth_grants;
mod objects;
mod page;
mod passkeys;
mod projects;
mod providers;
mod published;
mod quotas;
mod resources;
mod routes;
mod rows;
mod schedules;
mod schema;
mod sessions;
mod snapshot;
mod store;
mod tokens;
mod users;
mod versions;
mod worker_tokens;
mod workers;
mod workflows;
mod zones;

pub use access::{AccessApp, AccessGroup, AccessPolicy, AccessRecords, AccessServiceToken};
pub use access_keys::AccessKey;
pub use accounts::{Account, DEFAULT_ACCOUNT};
pub use assets::{AssetContent, AssetSession, AssetsInUse, ServedAssets};
pub use credentials::{SigninFacts, Totp};
pub use deployments::Release;
pub use domains::{Domain, DomainChangeset, DomainFilter, DomainSpec, DomainWrite};
pub use egress::{EgressRules, EgressScope};
pub use error::{Entity, Result, StoreError};
pub use garbage::Collected;
pub use id::{DomainId, MembershipId, RouteId, SessionId, TokenId, UserId, ZoneId};
pub use members::Membership;
pub use oauth_grants::{OauthGrant, Renewal};
pub use objects::{Borrowed, OwnedNamespace};
pub use page::{Listing, Page};
pub use passkeys::Passkey;
pub use projects::{ProjectFile, ProjectSecret};
pub use providers::{Provider, ProviderWrite};
pub use resources::{Resource, ResourceKind};
pub use routes::{Route, RouteSpec};
pub use schedules::{Schedule, ScheduledRun};
pub use sessions::{Begun, Session, Signed};
pub use store::Store;
pub use tokens::{
    Bootstrap, Condition, CreatedToken, Principal, RequestIp, S3Key, Shown, Token, TokenOwner, TokenTerms,
    Validity,
};
pub use users::{User, UserChanges};
pub use versions::{Inserted, NewModule, NewVersion, Origin, SecretChange};
pub use worker_tokens::WorkerToken;
pub use workers::{NewWorker, Subdomain, Worker, WorkerChanges};
pub use zones::Zone;
