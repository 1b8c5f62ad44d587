//! What the data folder keeps, opened.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use hearth_analytics::Analytics;
use hearth_assets::Contents;
use hearth_cache::Cache;
use hearth_d1::D1;
use hearth_jail::Jailer;
use hearth_kv::Kv;
use hearth_objects::{Keeper, Objects};
use hearth_observe::Hub;
use hearth_queues::Queues;
use hearth_r2::R2;
use hearth_space::Space;
use hearth_store::Store;

use super::{
    ANALYTICS_FOLDER, ASSETS_FOLDER, AUDIT, CACHE_FOLDER, D1_FOLDER, D1_HISTORY_FOLDER, FUNCTIONS_FOLDER,
    KV_FOLDER, LOGS_FOLDER, MINUTES, OBJECTS_FOLDER, QUEUES_FOLDER, R2_FOLDER, configs,
};
use crate::settings::Settings;
use crate::wiring::{self, Backup, BucketEvents, Databases};

/// Folders that only the server itself looks into; what of them a process needs, it is shown. Objects are not among them: in
/// the reduced tier processes with users of their own go there by themselves.
const CLOSED: [&str; 9] = [
    ANALYTICS_FOLDER,
    CACHE_FOLDER,
    D1_FOLDER,
    D1_HISTORY_FOLDER,
    FUNCTIONS_FOLDER,
    KV_FOLDER,
    LOGS_FOLDER,
    QUEUES_FOLDER,
    R2_FOLDER,
];

/// Databases that lie in the data folder itself.
const CLOSED_FILES: [&str; 2] = [AUDIT, MINUTES];

/// One of each store. They know the space that they may still take, and buckets tell queues what happens in them.
pub(super) struct State {
    pub(super) store: Store,
    pub(super) space: Space,
    pub(super) hub: Hub,
    pub(super) kv: Kv,
    pub(super) queues: Queues,
    pub(super) r2: R2,
    pub(super) databases: Databases,
    pub(super) cache: Cache,
    pub(super) analytics: Analytics,
    pub(super) objects: Objects,
    /// Where objects are, as their processes are shown it.
    pub(super) objects_folder: PathBuf,
    pub(super) assets: Contents,
    pub(super) audit: hearth_audit::Log,
    data_dir: PathBuf,
}

impl State {
    /// Opens all of it. The keeper of objects' alarms begins later.
    ///
    /// # Errors
    /// What could not be opened, and why.
    pub(super) async fn open(
        settings: &Settings,
        store: Store,
        jailer: Jailer,
        run_dir: &Path,
    ) -> Result<(Self, Keeper)> {
        let data_dir = settings.data_dir.clone();
        close(&data_dir).with_context(|| format!("closing {} to others", data_dir.display()))?;
        let space = configs::space(settings)?;
        wiring::space::register(&space, &store).await?;
        let kv = hearth_kv::Config::new(data_dir.join(KV_FOLDER));
        let kv = Kv::open(hearth_kv::Config { space: space.clone(), ..kv }, store.clone()).await?;
        let queues = hearth_queues::Config::new(data_dir.join(QUEUES_FOLDER));
        let queues = hearth_queues::Config { space: space.clone(), ..queues };
        let queues = Queues::open(queues, store.clone()).await?;
        let r2 = hearth_r2::Config::new(data_dir.join(R2_FOLDER));
        let r2 = R2::open(store.clone(), &hearth_r2::Config { space: space.clone(), ..r2 }).await?;
        r2.listen(Arc::new(BucketEvents(queues.clone())));
        let analytics = hearth_analytics::Config::new(data_dir.join(ANALYTICS_FOLDER));
        let analytics = Analytics::open(hearth_analytics::Config { space: space.clone(), ..analytics })?;
        let objects_folder = std::path::absolute(data_dir.join(OBJECTS_FOLDER))?;
        let objects = hearth_objects::Config { folder: objects_folder.clone(), space: space.clone() };
        let (objects, keeper) = Objects::new(store.clone(), objects);
        let opened = Self {
            hub: Hub::new(configs::logs(settings, &space)?),
            databases: Databases::open(&data_dir, space.clone(), jailer, run_dir.to_owned())?,
            cache: configs::cache(settings, &space)?,
            assets: Contents::open(data_dir.join(ASSETS_FOLDER), space.clone())?,
            audit: configs::audit(settings)?,
            store,
            space,
            kv,
            queues,
            r2,
            analytics,
            objects,
            objects_folder,
            data_dir,
        };
        Ok((opened, keeper))
    }

    /// A copy of all of it.
    pub(super) fn backup(&self) -> Backup {
        Backup {
            store: self.store.clone(),
            kv: self.kv.clone(),
            queues: self.queues.clone(),
            r2: self.r2.clone(),
            d1: self.d1(),
            analytics: self.analytics.clone(),
            objects: self.objects.clone(),
            assets: self.assets.clone(),
            audit: self.audit.clone(),
            data_dir: self.data_dir.clone(),
        }
    }

    pub(super) fn d1(&self) -> D1 {
        self.databases.d1()
    }
}

/// Keeps other users of the machine, and workers where they have no root of their own, out of what is there.
fn close(data_dir: &Path) -> std::io::Result<()> {
    for folder in CLOSED.map(|name| data_dir.join(name)) {
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    }
    for file in CLOSED_FILES.map(|name| data_dir.join(name)) {
        // Empty, it is a database without tables; SQLite gives its other files the same rights.
        fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&file)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}
