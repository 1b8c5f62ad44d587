//! The sites that were asked for, in memory: a version's list of files and its rules are read when its first request
//! comes, and forgotten when others need the room.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hashlink::LruCache;
use hearth_model::{AccountId, AssetsConfig, Compatibility, PagesRoutes, VersionId};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::contents::{Contents, Folder};
use crate::manifest::{Manifest, Unreadable};
use crate::rules::{ConfigError, Rules};
use crate::site::{Routes, Site};

/// Bytes of memory for sites.
const MEMORY: usize = 64 << 20;

/// What is known of a version's assets.
#[derive(Debug, Clone)]
pub struct SiteSource {
    /// Whose contents they are.
    pub account: AccountId,
    /// The list of files.
    pub manifest: Bytes,
    /// How they are served.
    pub config: AssetsConfig,
    /// Set where Pages' rules hold.
    pub pages: Option<PagesRoutes>,
    /// Of the version.
    pub compatibility: Compatibility,
    /// Whether there is code beside them.
    pub has_worker: bool,
}

/// Where sites are read from.
#[async_trait]
pub trait Library: Send + Sync + 'static {
    /// A version's assets; None: it has none.
    ///
    /// # Errors
    /// What went wrong, for the operator.
    async fn site(&self, version: VersionId) -> Result<Option<SiteSource>, String>;
}

/// Why a version's assets cannot be served; for the operator.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The version has none.
    #[error("the version has no assets")]
    NoAssets,
    /// They cannot be read.
    #[error("{0}")]
    Library(String),
    /// The list of files.
    #[error(transparent)]
    Manifest(#[from] Unreadable),
    /// What was accepted once is refused now.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The contents' folder.
    #[error("the contents cannot be reached: {0}")]
    Folder(#[from] io::Error),
}

/// A site, and where its contents lie.
#[derive(Debug)]
pub struct Loaded {
    /// What decides.
    pub site: Site,
    /// What it decides on.
    pub folder: Folder,
}

/// The sites of all versions. Clones are the same.
#[derive(Clone)]
pub struct Sites(Arc<Inner>);

struct Inner {
    library: Arc<dyn Library>,
    contents: Contents,
    kept: Mutex<Kept>,
}

/// Read by the first who asks.
type Cell = Arc<OnceCell<Arc<Loaded>>>;

struct Kept {
    /// Each with the bytes that it takes.
    cells: LruCache<VersionId, (Cell, usize)>,
    used: usize,
}

impl std::fmt::Debug for Sites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sites").finish_non_exhaustive()
    }
}

impl Sites {
    /// Sites from a library, over contents.
    pub fn new(library: Arc<dyn Library>, contents: Contents) -> Self {
        let kept = Mutex::new(Kept { cells: LruCache::new_unbounded(), used: 0 });
        Self(Arc::new(Inner { library, contents, kept }))
    }

    /// A version's. However many ask at once, it is read once.
    ///
    /// # Errors
    /// [`SiteError`]; the next one who asks tries again.
    pub async fn get(&self, version: VersionId) -> Result<Arc<Loaded>, SiteError> {
        let cell = {
            let mut kept = self.0.kept.lock();
            match kept.cells.get(&version) {
                Some((cell, _)) => Arc::clone(cell),
                None => {
                    let cell = Cell::default();
                    kept.cells.insert(version, (Arc::clone(&cell), 0));
                    cell
                }
            }
        };
        if let Some(loaded) = cell.get() {
            return Ok(Arc::clone(loaded));
        }
        let loaded = cell.get_or_try_init(|| self.load(version)).await;
        if loaded.is_err() {
            self.forget(version);
        }
        loaded.cloned()
    }

    /// Forgets a version that is gone.
    fn forget(&self, version: VersionId) {
        let mut kept = self.0.kept.lock();
        if let Some((_, bytes)) = kept.cells.remove(&version) {
            kept.used -= bytes;
        }
    }

    async fn load(&self, version: VersionId) -> Result<Arc<Loaded>, SiteError> {
        let source = self.0.library.site(version).await.map_err(SiteError::Library)?;
        let source = source.ok_or(SiteError::NoAssets)?;
        let contents = self.0.contents.clone();
        // Adding up what an account has takes as long as it has files.
        let made = tokio::task::spawn_blocking(move || {
            let manifest = Manifest::read(source.manifest)?;
            let site = match &source.pages {
                None => {
                    let rules = Rules::read(&source.config)?;
                    Site::new(manifest, rules, &source.compatibility, source.has_worker)
                }
                Some(routes) => {
                    let (rules, _) = Rules::lenient(&source.config);
                    Site::of_pages(manifest, rules, Routes::read(routes)?, source.has_worker)
                }
            };
            Ok::<_, SiteError>(Loaded { site, folder: contents.folder(&source.account)? })
        });
        let loaded = made.await.map_err(|error| SiteError::Folder(io::Error::other(error)))??;
        self.0.kept.lock().weigh(version, loaded.site.footprint());
        Ok(Arc::new(loaded))
    }
}

impl Kept {
    /// Says what a site takes, and lets others go for it.
    fn weigh(&mut self, version: VersionId, bytes: usize) {
        if let Some((_, weight)) = self.cells.get_mut(&version) {
            self.used += bytes - *weight;
            *weight = bytes;
        }
        while self.used > MEMORY && self.cells.len() > 1 {
            let Some((_, (_, bytes))) = self.cells.remove_lru() else { return };
            self.used -= bytes;
        }
    }
}
