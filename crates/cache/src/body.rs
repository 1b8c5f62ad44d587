//! A stored body on its way out.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use tokio::task::JoinHandle;

use crate::files::{Files, StoredBody, read_at};

/// A body that the cache gives.
pub type Body = BoxBody<Bytes, io::Error>;

/// Bytes that are read from a file at a time.
const PIECE: u64 = 256 << 10;

/// Bytes `from..to` of a body.
pub(crate) fn body(files: &Files, stored: &StoredBody, from: u64, to: u64) -> Body {
    match stored {
        StoredBody::Memory(bytes) => {
            let part = bytes.slice(from as usize..to as usize);
            Full::new(part).map_err(|never| match never {}).boxed()
        }
        StoredBody::File { file, .. } => {
            FileBody { files: files.clone(), file: Arc::clone(file), at: from, end: to, reading: None }
                .boxed()
        }
    }
}

/// Nothing.
pub(crate) fn empty() -> Body {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed()
}

struct FileBody {
    files: Files,
    file: Arc<File>,
    at: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.at >= this.end {
            return Poll::Ready(None);
        }
        let (files, file, at) = (&this.files, &this.file, this.at);
        let length = (this.end - at).min(PIECE) as usize;
        let reading = this.reading.get_or_insert_with(|| {
            let (files, file) = (files.clone(), Arc::clone(file));
            tokio::spawn(async move { files.run(move |_| read_at(&file, at, length)).await })
        });
        let piece = ready!(Pin::new(reading).poll(cx)).map_err(io::Error::other).flatten();
        this.reading = None;
        if let Ok(piece) = &piece {
            this.at += piece.len() as u64;
        } else {
            this.at = this.end;
        }
        Poll::Ready(Some(piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.at >= self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}
