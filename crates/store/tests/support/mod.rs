//! A store in a folder of its own, and shorthands for what fills it.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::collections::BTreeMap;
use std::path::Path;

use hearth_model::{
    AccountId, Binding, BindingKind, Compatibility, DeploymentSource, Dialect, Exports, Format, Limits,
    Module, ModuleKind, VersionId, WorkerId, WorkerName,
};
use hearth_store::{NewModule, NewVersion, NewWorker, Origin, Release, Store, WorkerChanges};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

pub const ADMIN: &str = "an-admin-token-for-tests";

pub struct Fixture {
    pub folder: TempDir,
    pub store: Store,
    pub account: AccountId,
}

impl Fixture {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, account) = open(folder.path()).await;
        Self { folder, store, account }
    }

    pub async fn worker(&self, name: &str) -> WorkerId {
        worker(&self.store, &self.account, name).await
    }

    /// Ends this store and opens its folder again.
    pub async fn reopen(self) -> Self {
        let Self { folder, store, .. } = self;
        store.close().await;
        drop(store);
        let (store, account) = open(folder.path()).await;
        Self { folder, store, account }
    }
}

pub async fn open(folder: &Path) -> (Store, AccountId) {
    let store = Store::open(folder).await.unwrap();
    let account = store.bootstrap(Some(ADMIN)).await.unwrap().account.id;
    (store, account)
}

/// The worker of that name, made when there is none.
pub async fn worker(store: &Store, account: &AccountId, name: &str) -> WorkerId {
    let name: WorkerName = name.parse().unwrap();
    if let Ok(worker) = store.worker_by_name(account, Dialect::Workers, &name).await {
        return worker.id;
    }
    let new = NewWorker { account: account.clone(), dialect: Dialect::Workers, name };
    store.create_worker(new, WorkerChanges::default()).await.unwrap().id
}

/// A connection past the store, to break what it keeps.
pub async fn database(folder: &Path) -> SqliteConnection {
    use sqlx::ConnectOptions;
    SqliteConnectOptions::new().filename(folder.join("hearth.db")).connect().await.unwrap()
}

pub fn release() -> Release {
    Release {
        source: DeploymentSource("wrangler".to_owned()),
        author_email: "a@example.com".to_owned(),
        annotations: BTreeMap::from([("workers/triggered_by".to_owned(), "upload".to_owned())]),
    }
}

pub fn secret(name: &str, text: Option<&str>) -> Binding {
    Binding { name: name.to_owned(), kind: BindingKind::SecretText { text: text.map(str::to_owned) } }
}

pub fn variable(name: &str, text: &str) -> Binding {
    Binding { name: name.to_owned(), kind: BindingKind::PlainText { text: text.to_owned() } }
}

pub fn service(name: &str, service: &str) -> Binding {
    let kind = BindingKind::Service {
        service: service.to_owned(),
        environment: None,
        entrypoint: None,
        props: None,
    };
    Binding { name: name.to_owned(), kind }
}

pub async fn modules(store: &Store, code: &str) -> Vec<Module> {
    let module =
        |name: &str, kind, text: String| NewModule { name: name.to_owned(), kind, content: text.into() };
    store
        .put_modules(vec![
            module("index.js", ModuleKind::EsModule, code.to_owned()),
            module("index.js.map", ModuleKind::SourceMap, format!("map of {code}")),
        ])
        .await
        .unwrap()
}

pub fn new_version(worker: WorkerId, modules: Vec<Module>, bindings: Vec<Binding>) -> NewVersion {
    NewVersion {
        id: VersionId::random(),
        worker,
        make: None,
        settings: WorkerChanges::default(),
        origin: Origin {
            source: "wrangler".to_owned(),
            author_email: "a@example.com".to_owned(),
            annotations: BTreeMap::from([("workers/tag".to_owned(), "t1".to_owned())]),
        },
        format: Format::Modules { main: "index.js".to_owned() },
        modules,
        bindings,
        secrets_from: None,
        compatibility: Compatibility {
            date: "2026-01-01".to_owned(),
            flags: vec!["nodejs_compat".to_owned()],
        },
        limits: Limits { cpu_ms: Some(50), ..Limits::default() },
        exports: Exports { handlers: vec!["fetch".to_owned()], entrypoints: Vec::new() },
        startup_time_ms: 3,
        objects: Vec::new(),
        assets: None,
    }
}

/// Workers with versions and a deployment of the newest, written past the store: through it each would be a commit.
pub async fn many_workers(fixture: &Fixture, workers: u32, versions: u32) {
    let seed = fixture.worker("seed").await;
    let code = modules(&fixture.store, "code").await;
    fixture.store.insert_version(new_version(seed, code, vec![variable("V", "v")]), None).await.unwrap();
    let mut database = database(fixture.folder.path()).await;
    let uuid = "lower(printf('%s-%s-4%s-8%s-%s', hex(randomblob(4)), hex(randomblob(2)),
        substr(hex(randomblob(2)), 2), substr(hex(randomblob(2)), 2), hex(randomblob(6))))";
    let sql = format!(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {workers})
         INSERT INTO workers (id, account, name, folded, created_on, modified_on, last_version, last_deployment)
         SELECT lower(hex(randomblob(16))), account, 'w-' || i, 'w-' || i, i, i, {versions}, 1
         FROM n, (SELECT account FROM workers WHERE folded = 'seed');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {versions})
         INSERT INTO versions (worker, number, id, created_on, alias, document)
         SELECT w.id, i, {uuid}, i, NULL, d.document
         FROM workers w, n, (SELECT document FROM versions) d WHERE w.folded <> 'seed';
         DELETE FROM workers WHERE folded = 'seed';
         INSERT INTO deployments (worker, number, id, created_on, source, author_email, annotations, split)
         SELECT v.worker, 1, {uuid}, 1, 'wrangler', '', '{{}}', json_array(json_array(v.id, 100.0))
         FROM versions v WHERE v.number = {versions};
         COMMIT;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
}
