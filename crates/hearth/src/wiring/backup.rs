//! API → every store: one archive of everything, while it is in use.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use hearth_api::{ApiError, Caller, Operation};
use hearth_store::Store;
use http::{Method, header};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::archive::{Manifest, pack};

/// Bytes of one piece of the answer.
const PIECE: usize = 256 << 10;

/// Pieces that wait for a slow client.
const PIECES: usize = 8;

/// The folder, inside the data folder, in which copies are put together: hard links need the same file system.
const STAGING: &str = "backup";

/// Everything that has data.
#[derive(Clone)]
pub struct Backup {
    store: Store,
    data_dir: PathBuf,
}

impl Backup {
    /// Backups of what these hold. What an interrupted one left is removed.
    ///
    /// # Errors
    /// When that cannot be removed.
    pub fn new(store: Store, data_dir: &Path) -> Result<Self> {
        let staging = data_dir.join(STAGING);
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("clearing {}", staging.display()))
            }
            _ => Ok(Self { store, data_dir: data_dir.to_owned() }),
        }
    }

    /// What the API can do with them.
    pub fn operations(self) -> Vec<Operation> {
        vec![Operation::new(Method::GET, "/installation/backup", get, &self)]
    }

    /// Copies everything. The metadata comes first: what it refers to is there when its turn comes, and data that
    /// nobody refers to does no harm.
    async fn snapshot(&self) -> Result<TempDir> {
        let staging = self.data_dir.join(STAGING);
        std::fs::create_dir_all(&staging)?;
        let folder = tempfile::tempdir_in(&staging)?;
        let data = folder.path().join("data");
        self.store.snapshot(&data).await.context("copying the metadata")?;
        Ok(folder)
    }
}

/// `GET installation/backup`: the archive, as long as it takes.
async fn get(State(backup): State<Backup>, caller: Caller) -> Result<Response, ApiError> {
    caller.require_installation()?;
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
