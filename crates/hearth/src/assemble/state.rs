//! What the data folder keeps, opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
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

use super::{ANALYTICS_FOLDER, ASSETS_FOLDER, KV_FOLDER, OBJECTS_FOLDER, QUEUES_FOLDER, R2_FOLDER, configs};
use crate::settings::Settings;
use crate::wiring::{self, Backup, BucketEvents, Databases};

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
