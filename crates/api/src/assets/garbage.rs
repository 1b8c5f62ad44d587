//! Contents that nobody needs any more.

use std::collections::HashSet;
use std::time::Duration;

use hearth_assets::{ContentHash, Manifest};
use hearth_model::AccountId;
use hearth_store::AssetsInUse;
use jiff::{SignedDuration, Timestamp};

use super::announce::Announcement;
use super::sessions::Assets;

/// How long files that a project of Pages has uploaded are kept for its next deployment.
const PROJECT_FILES: SignedDuration = SignedDuration::from_hours(24);

/// What went wrong, for the operator.
type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Assets {
    /// Removes contents that no version and no upload needs, and that were stored longer than `grace` ago. Returns how many
    /// there were, and their bytes. Meanwhile no upload can begin.
    ///
    /// # Errors
    /// What could not be read or removed; the rest is left for the next time.
    pub async fn collect_garbage(&self, grace: Duration) -> Result<(u64, u64), Failed> {
        self.api().store().sweep_asset_sessions().await?;
        let contents = self.contents().clone();
        let accounts = tokio::task::spawn_blocking(move || contents.accounts()).await??;
        let mut removed = (0, 0);
        for account in accounts {
            let (files, bytes) = self.collect_of(&account, grace).await?;
            removed = (removed.0 + files, removed.1 + bytes);
        }
        Ok(removed)
    }

    async fn collect_of(&self, account: &AccountId, grace: Duration) -> Result<(u64, u64), Failed> {
        let store = self.api().store();
        let _alone = self.contents().collecting().await;
        let mut needed: HashSet<ContentHash> = HashSet::new();
        for used in store.assets_in_use(account).await? {
            match used {
                AssetsInUse::Version(bytes) => needed.extend(Manifest::read(bytes)?.contents()),
                AssetsInUse::Session(bytes) => {
                    let announced: Announcement = serde_json::from_slice(&bytes)?;
                    needed.extend(announced.contents().into_keys());
                }
            }
        }
        let live = needed.iter().map(ToString::to_string).collect();
        let before = Timestamp::now() - PROJECT_FILES;
        let of_projects = store.sweep_project_files(account, before, &live).await?;
        needed.extend(of_projects.iter().filter_map(|content| content.parse::<ContentHash>().ok()));
        let (contents, account_id) = (self.contents().clone(), account.clone());
        let found = tokio::task::spawn_blocking(move || {
            let folder = contents.folder(&account_id)?;
            let old = folder.older_than(grace)?;
            Ok::<_, std::io::Error>((folder, old))
        });
        let (folder, mut stale) = found.await??;
        stale.retain(|content| !needed.contains(content));
        if stale.is_empty() {
            return Ok((0, 0));
        }
        // Who is told that it is there must find it: it is forgotten first.
        let names: Vec<String> = stale.iter().map(ToString::to_string).collect();
        store.forget_asset_contents(account, &names).await?;
        let count = stale.len() as u64;
        let freed = tokio::task::spawn_blocking(move || {
            stale
                .into_iter()
                .try_fold(0, |sum, content| Ok::<_, std::io::Error>(sum + folder.remove(content)?))
        });
        Ok((count, freed.await??))
    }
}
