//! Files on their way: those that are uploaded to be imported, those that were exported to be downloaded. Each belongs
//! to a job, which a client asks about until it is done.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path as Segments, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use hearth_api::Query;
use hearth_space::Admitted;
use http::{StatusCode, header};
use md5::{Digest, Md5};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::sync::{Semaphore, watch};
use tokio_util::io::ReaderStream;

use super::Endpoints;
use super::signature::Direction;
use crate::DatabaseId;

/// Jobs of one database and direction whose files are kept.
const PER_DATABASE: usize = 4;
/// Pieces in which files are read.
const PIECE: usize = 256 << 10;

/// How files are kept.
#[derive(Debug, Clone)]
pub struct TransferConfig {
    /// The folder for them, emptied at the start: `d1-transfers` in the data folder.
    pub folder: PathBuf,
    /// `http` or `https`: how clients reach the control host.
    pub scheme: String,
    /// Largest file of an import, in bytes. Cloudflare takes 5 GB.
    pub max_import_bytes: u64,
    /// How long a file and its URL are good.
    pub keep: Duration,
    /// Files that are written at once; more wait.
    pub at_once: usize,
    /// How long a call waits for a job before the client has to ask again.
    pub patience: Duration,
}

impl TransferConfig {
    /// What Cloudflare does, with files in `folder`.
    pub fn new(folder: PathBuf, scheme: String) -> Self {
        Self {
            folder,
            scheme,
            max_import_bytes: 5_000_000_000,
            keep: Duration::from_hours(1),
            at_once: 8,
            patience: Duration::from_secs(10),
        }
    }
}

/// How far a job has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Its file is expected.
    Expected,
    /// Its file comes.
    Uploading,
    /// Its file is there.
    Uploaded,
    /// It runs.
    Running,
    /// It is done: the result, or why there is none.
    Done(Result<Value, String>),
}

/// One import or export.
pub struct Job {
    /// The bookmark under which a client asks for it.
    pub at: String,
    /// The database.
    pub database: DatabaseId,
    /// Which of both.
    pub direction: Direction,
    /// Names its file in URLs.
    pub filename: String,
    /// The MD5 of an import's file, as the client says it; empty for an export.
    pub etag: String,
    /// Where its file lies.
    pub file: PathBuf,
    /// How far it has come.
    pub stage: watch::Sender<Stage>,
    begun: Instant,
}

impl Job {
    /// Goes from one stage to another, unless it is at another one.
    pub fn advance(&self, from: &Stage, to: Stage) -> bool {
        self.stage.send_if_modified(|stage| {
            let here = stage == from;
            if here {
                *stage = to;
            }
            here
        })
    }

    /// The outcome, if there is one before patience ends.
    pub async fn wait(&self, patience: Duration) -> Option<Result<Value, String>> {
        let mut stage = self.stage.subscribe();
        let done = stage.wait_for(|stage| matches!(stage, Stage::Done(_)));
        match tokio::time::timeout(patience, done).await {
            Ok(Ok(stage)) => match &*stage {
                Stage::Done(outcome) => Some(outcome.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_running(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Running | Stage::Uploading)
    }
}

/// All jobs.
pub struct Transfers {
    /// How files are kept.
    pub config: TransferConfig,
    jobs: Mutex<Vec<Arc<Job>>>,
    room: Semaphore,
}

impl Transfers {
    /// No jobs, and an empty folder.
    ///
    /// # Errors
    /// The folder cannot be emptied or made.
    pub fn new(config: TransferConfig) -> io::Result<Self> {
        match std::fs::remove_dir_all(&config.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => DirBuilder::new().recursive(true).mode(0o700).create(&config.folder)?,
        }
        let room = Semaphore::new(config.at_once);
        Ok(Self { config, jobs: Mutex::default(), room })
    }

    /// Begins a job; `position` is where its database is. Of a database's older jobs that wait for their client, those
    /// beyond a few go.
    pub fn begin(
        &self,
        database: DatabaseId,
        direction: Direction,
        position: crate::Position,
        etag: String,
        stage: Stage,
    ) -> Arc<Job> {
        let number = hex::encode(rand::random::<[u8; 16]>());
        let at = position.to_string();
        let job = Arc::new(Job {
            // A bookmark by its form, and this job's alone.
            at: format!("{}-{number}", at.rsplit_once('-').map_or(at.as_str(), |(front, _)| front)),
            database,
            direction,
            filename: format!("{number}.sql"),
            etag,
            file: self.config.folder.join(format!("{number}.sql")),
            stage: watch::Sender::new(stage),
            begun: Instant::now(),
        });
        let mut jobs = self.jobs.lock();
        let of_its_kind = |job: &Arc<Job>| job.database == database && job.direction == direction;
        let mut surplus =
            (jobs.iter().filter(|job| of_its_kind(job)).count() + 1).saturating_sub(PER_DATABASE);
        jobs.retain(|job| {
            let goes = surplus > 0 && of_its_kind(job) && !job.is_running();
            if goes {
                surplus -= 1;
                discard(job);
            }
            !goes
        });
        jobs.push(Arc::clone(&job));
        job
    }

    /// A job of a database.
    pub fn find(&self, database: DatabaseId, wanted: impl Fn(&Job) -> bool) -> Option<Arc<Job>> {
        self.jobs.lock().iter().find(|job| job.database == database && wanted(job)).cloned()
    }

    /// Forgets the jobs of a database.
    pub fn forget(&self, database: DatabaseId) {
        self.remove(|job| job.database == database);
    }

    /// Deletes the file of a job that needs it no more; the job itself can still be asked for.
    pub fn delete_file(&self, job: &Job) {
        discard(job);
    }

    /// Removes what nobody came for, until it is dropped.
    pub async fn keep(&self) {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            self.remove(|job| job.begun.elapsed() > self.config.keep && !job.is_running());
        }
    }

    /// Writes a stream into a new file; answers its MD5. What comes has to be admitted as the database's.
    ///
    /// # Errors
    /// The stream's, the file's; `FileTooLarge` when it is longer than `limit`, `StorageFull` when it may not be kept,
    /// with a text for the caller.
    pub async fn write<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        &self,
        file: &Path,
        mut stream: impl Stream<Item = Result<Bytes, E>> + Unpin,
        limit: u64,
        mut admitted: Admitted,
    ) -> io::Result<String> {
        let _place = self.room.acquire().await.map_err(io::Error::other)?;
        let mut out = BufWriter::with_capacity(PIECE, File::create(file).await?);
        let (mut digest, mut length) = (Md5::new(), 0);
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(io::Error::other)?;
            length += piece.len() as u64;
            if length > limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            let more = admitted.more(piece.len() as u64);
            more.map_err(|refusal| io::Error::new(io::ErrorKind::StorageFull, refusal))?;
            digest.update(&piece);
            out.write_all(&piece).await?;
        }
        out.flush().await?;
        Ok(hex::encode(digest.finalize()))
    }

    fn remove(&self, gone: impl Fn(&Job) -> bool) {
        self.jobs.lock().retain(|job| {
            let gone = gone(job);
            if gone {
                discard(job);
            }
            !gone
        });
    }
}

/// A file in pieces.
///
/// # Errors
/// The file cannot be opened.
pub async fn read(file: &Path) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    Ok(ReaderStream::with_capacity(File::open(file).await?, PIECE))
}

/// Deletes a job's file, if there is one. Who reads it can read on.
fn discard(job: &Job) {
    let file = job.file.clone();
    tokio::task::spawn_blocking(move || match std::fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(file = %file.display(), %error, "a transferred file cannot be deleted");
        }
        _ => {}
    });
}

/// `PUT` of an import's file. wrangler compares the answer's `ETag` with the file's MD5.
pub async fn upload(
    State(endpoints): State<Endpoints>,
    Segments((database, filename)): Segments<(String, String)>,
    query: Query,
    body: Body,
) -> Response {
    let shared = &endpoints.0;
    let Some(job) = signed_job(&endpoints, &database, &filename, &query, Direction::Import) else {
        return refusal(StatusCode::FORBIDDEN, "This URL is not valid, or no longer. Begin the import anew.");
    };
    if !job.advance(&Stage::Expected, Stage::Uploading) {
        return refusal(StatusCode::CONFLICT, "This file has been uploaded already.");
    }
    // Whatever ends this, the client's leaving too, the file can be sent again, or is there.
    let mut attempt = Attempt { job: &job, to: Stage::Expected };
    let limit = shared.transfers.config.max_import_bytes;
    let admitted = match shared.d1.space().admit(&database, 0) {
        Ok(admitted) => admitted,
        Err(no) => return refusal(StatusCode::INSUFFICIENT_STORAGE, &no.to_string()),
    };
    match shared.transfers.write(&job.file, body.into_data_stream(), limit, admitted).await {
        Ok(digest) if digest == job.etag => {
            attempt.to = Stage::Uploaded;
            (StatusCode::OK, [(header::ETAG, format!("\"{digest}\""))]).into_response()
        }
        Ok(digest) => {
            let text = format!("The file's MD5 is {digest}, not {} as was announced.", job.etag);
            refusal(StatusCode::BAD_REQUEST, &text)
        }
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            refusal(StatusCode::PAYLOAD_TOO_LARGE, &format!("The file is larger than {limit} bytes."))
        }
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            shared.transfers.delete_file(&job);
            refusal(StatusCode::INSUFFICIENT_STORAGE, &error.to_string())
        }
        Err(error) => {
            tracing::warn!(%error, "the file of an import did not come whole");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "The file could not be stored.")
        }
    }
}

struct Attempt<'a> {
    job: &'a Job,
    to: Stage,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.job.advance(&Stage::Uploading, self.to.clone());
    }
}

/// `GET` of an export's file.
pub async fn download(
    State(endpoints): State<Endpoints>,
    Segments((database, filename)): Segments<(String, String)>,
    query: Query,
) -> Response {
    let done = |job: &Arc<Job>| matches!(*job.stage.borrow(), Stage::Done(Ok(_)));
    let Some(job) = signed_job(&endpoints, &database, &filename, &query, Direction::Export).filter(done)
    else {
        return refusal(StatusCode::FORBIDDEN, "This URL is not valid, or no longer. Begin the export anew.");
    };
    let length = tokio::fs::metadata(&job.file).await.map(|file| file.len());
    match (length, read(&job.file).await) {
        (Ok(length), Ok(pieces)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/sql".to_owned()),
                (header::CONTENT_LENGTH, length.to_string()),
            ];
            (headers, Body::from_stream(pieces)).into_response()
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "an exported file cannot be read");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "The file could not be read.")
        }
    }
}

fn signed_job(
    endpoints: &Endpoints,
    database: &str,
    filename: &str,
    query: &Query,
    direction: Direction,
) -> Option<Arc<Job>> {
    let database: DatabaseId = database.parse().ok()?;
    let shared = &endpoints.0;
    if !shared.signer.is_good(query, direction, database, filename) {
        return None;
    }
    shared.transfers.find(database, |job| job.filename == filename && job.direction == direction)
}

fn refusal(status: StatusCode, text: &str) -> Response {
    (status, text.to_owned()).into_response()
}
