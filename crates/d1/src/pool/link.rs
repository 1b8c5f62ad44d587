//! The line to one engine, and one exchange over it at a time: a question and its answer, or a group of small ones.
//!
//! An exchange's state is here and not in the future that drives it: who waits for an answer may go away, and the answer
//! has to be read all the same before the next question.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::engine::frame::{Ask, MAX_PAYLOAD, Op, Outcome, REPLY, Reply};

/// An engine stops by itself when its time is over; so much later it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Bytes of payload up to which a question is copied behind its head and goes with it in one call; also what a group of
/// questions may have together, since an engine may answer the first of them before it reads the last: all of it fits
/// into the socket's buffer.
pub const SMALL: usize = 32 << 10;

/// Why there is no answer.
#[derive(Debug)]
pub enum Broken {
    /// It did not come in time.
    Late,
    /// The line ended, or what came makes no sense.
    Ended(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Ended(error)
    }
}

/// A line to an engine.
pub struct Link {
    socket: UnixStream,
    /// What is to be sent.
    heads: BytesMut,
    payload: Bytes,
    /// How long each question that is not answered yet may run.
    open: VecDeque<Duration>,
    /// When the first of them must be answered.
    until: Instant,
    answers: BytesMut,
}

impl Link {
    /// A line over this socket.
    pub fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            heads: BytesMut::new(),
            payload: Bytes::new(),
            open: VecDeque::new(),
            until: Instant::now(),
            answers: BytesMut::new(),
        }
    }

    /// Whether an answer is still to come.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty()
    }

    /// Puts a question; [`Link::answer`] sends it. `growth` is how many pages the database may grow by; what `follows` is
    /// asked with it, and their payloads are [`SMALL`] together.
    pub fn ask(&mut self, op: Op, payload: Bytes, time: Duration, growth: u32, follows: bool) {
        let head = Ask {
            op,
            follows,
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            time_ms: u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
            growth,
        };
        self.heads.extend_from_slice(&head.encode());
        if payload.len() <= SMALL {
            self.heads.extend_from_slice(&payload);
        } else {
            self.payload = payload;
        }
        if self.open.is_empty() {
            self.until = Instant::now() + time + GRACE;
        }
        self.open.push_back(time);
    }

    /// Sends what is left of the questions and waits for the next answer, or for a piece of it: until the last piece the
    /// exchange stays open. May be dropped at any time and called again.
    ///
    /// # Errors
    /// The engine is of no use any more.
    pub async fn answer(&mut self) -> Result<(Reply, Bytes), Broken> {
        if self.open.is_empty() {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        }
        let exchange = async {
            while self.heads.has_remaining() {
                self.socket.write_buf(&mut self.heads).await?;
            }
            while self.payload.has_remaining() {
                self.socket.write_buf(&mut self.payload).await?;
            }
            read(&mut self.socket, &mut self.answers).await
        };
        let answered = match tokio::time::timeout_at(self.until, exchange).await {
            Ok(answered) => answered?,
            Err(_) => return Err(Broken::Late),
        };
        if !matches!(answered.0.outcome, Outcome::More | Outcome::Running) {
            self.open.pop_front();
            if let Some(time) = self.open.front() {
                self.until = Instant::now() + *time + GRACE;
            }
        }
        Ok(answered)
    }
}

/// Reads one answer; what was read of it stays in `buffer` when this is dropped.
async fn read(socket: &mut UnixStream, buffer: &mut BytesMut) -> io::Result<(Reply, Bytes)> {
    loop {
        if let Some(head) = buffer.first_chunk::<REPLY>() {
            let reply = Reply::decode(head).ok_or(io::ErrorKind::InvalidData)?;
            let whole = REPLY + reply.length as usize;
            if buffer.len() >= whole {
                let mut answer = buffer.split_to(whole).freeze();
                answer.advance(REPLY);
                return Ok((reply, answer));
            }
            debug_assert!(whole <= REPLY + MAX_PAYLOAD, "decoded heads are bounded");
            buffer.reserve(whole - buffer.len());
        } else {
            buffer.reserve(8 << 10);
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
