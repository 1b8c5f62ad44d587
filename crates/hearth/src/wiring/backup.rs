//! API → every store: one archive of everything, while it is in use.

use std::fs::DirBuilder;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use hearth_analytics::Analytics;
use hearth_api::{ApiError, Operation};
use hearth_assets::Contents;
use hearth_audit::Log;
use hearth_d1::D1;
use hearth_kv::Kv;
use hearth_objects::Objects;
use hearth_queues::Queues;
use hearth_r2::R2;
use hearth_store::Store;
use http::{Method, header};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::databases::copy_databases;
use crate::archive::{Manifest, pack};
use crate::assemble::{
    ANALYTICS_FOLDER, ASSETS_FOLDER, AUDIT, D1_FOLDER, KV_FOLDER, OBJECTS_FOLDER, QUEUES_FOLDER, R2_FOLDER,
};

/// Bytes of one piece of the answer.
const PIECE: usize = 256 << 10;

/// Pieces that wait for a slow client.
const PIECES: usize = 8;

/// The folder, inside the data folder, in which copies are put together: hard links need the same file system.
const STAGING: &str = "backup";

/// Everything that has data.
#[derive(Clone)]
pub struct Backup {
    pub store: Store,
    pub kv: Kv,
    pub queues: Queues,
    pub r2: R2,
    pub d1: D1,
    pub analytics: Analytics,
    pub objects: Objects,
    pub assets: Contents,
    pub audit: Log,
    pub data_dir: PathBuf,
}

impl Backup {
    /// What the API can do. What an interrupted backup left is removed.
    ///
    /// # Errors
    /// When that cannot be removed.
    pub fn operations(self) -> Result<Vec<Operation>> {
        let staging = self.data_dir.join(STAGING);
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("clearing {}", staging.display()))
            }
            _ => Ok(vec![Operation::new(Method::GET, "/installation/backup", get, &self)]),
        }
    }

    /// Copies everything. The metadata comes first: what it refers to is there when its turn comes, and data that
    /// nobody refers to does no harm.
    async fn snapshot(&self) -> Result<TempDir> {
        let staging = self.data_dir.join(STAGING);
        DirBuilder::new().recursive(true).mode(0o700).create(&staging)?;
        let folder = tempfile::tempdir_in(&staging)?;
        let data = folder.path().join("data");
        // What the metadata's copy refers to is not removed before its turn comes.
        let _using = self.assets.using().await;
        self.store.snapshot(&data).await.context("copying the metadata")?;
        let (assets, to) = (self.assets.clone(), data.join(ASSETS_FOLDER));
        let copied = tokio::task::spawn_blocking(move || assets.snapshot(&to)).await?;
        copied.context("copying assets")?;
        self.kv.snapshot(&data.join(KV_FOLDER)).await.context("copying KV")?;
        self.queues.snapshot(&data.join(QUEUES_FOLDER)).await.context("copying the queues")?;
        self.r2.snapshot(&data.join(R2_FOLDER)).await.context("copying R2")?;
        copy_databases(&self.d1, &data.join(D1_FOLDER)).await.context("copying D1")?;
        self.analytics.snapshot(&data.join(ANALYTICS_FOLDER)).await.context("copying Analytics Engine")?;
        self.objects.snapshot(&data.join(OBJECTS_FOLDER)).await.context("copying Durable Objects")?;
        self.audit.snapshot(&data.join(AUDIT)).await.context("copying the audit log")?;
        Ok(folder)
    }
}

/// `GET installation/backup`: the archive, as long as it takes.
async fn get(State(backup): State<Backup>) -> Result<Response, ApiError> {
    let manifest = Manifest::now();
    let folder = backup.snapshot().await.map_err(|error| ApiError::internal(format!("{error:#}")))?;
    let (pieces, mut waiting) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let out = BufWriter::with_capacity(PIECE, Pieces(pieces.clone()));
        if let Err(error) = pack(&folder.path().join("data"), &manifest, out) {
            tracing::error!(error = format!("{error:#}"), "a backup broke off");
            // An answer that breaks off is no archive to anybody; who has gone away needs not hear it.
            let _ = pieces.blocking_send(Err(io::Error::other("the backup broke off")));
        }
    });
    let body = Body::from_stream(stream::poll_fn(move |context| waiting.poll_recv(context)));
    Ok(([(header::CONTENT_TYPE, "application/zstd")], body).into_response())
}

/// Writes into an answer's body.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone away"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
