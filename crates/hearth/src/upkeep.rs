//! What the server does now and then, unasked.

use std::path::PathBuf;
use std::time::Duration;

use hearth_api::Assets;
use hearth_store::{Collected, Store};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::wiring::departed;

/// How long after its start: what the start itself needs goes first.
const FIRST: Duration = Duration::from_secs(60);

/// How often.
const EVERY: Duration = Duration::from_secs(3600);

/// How long code that belongs to no version is kept: far longer than an upload takes.
const GRACE: Duration = Duration::from_secs(3600);

/// Removes the code and the assets of versions that are gone, and what accounts that are gone have left, until it is dropped.
pub async fn collect_garbage(store: Store, assets: Assets, data_dir: PathBuf) {
    let mut ticks = interval_at(Instant::now() + FIRST, EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // What a worker logged last may have come after its account was deleted.
        departed::remove(&data_dir, &store).await;
        match assets.collect_garbage(GRACE).await {
            Ok((0, _)) => {}
            Ok((files, bytes)) => {
                tracing::info!(files, bytes, "assets of versions that are gone were removed")
            }
            Err(error) => tracing::warn!(%error, "assets of versions that are gone could not be removed"),
        }
        match store.collect_garbage(GRACE).await {
            Ok(Collected { blobs: 0, .. }) => {}
            Ok(Collected { blobs, bytes }) => {
                tracing::info!(blobs, bytes, "code of versions that are gone was removed")
            }
            Err(error) => tracing::warn!(%error, "code of versions that are gone could not be removed"),
        }
    }
}
