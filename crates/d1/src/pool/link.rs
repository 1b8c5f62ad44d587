//! The line to one engine, and one exchange over it at a time.
//!
//! An exchange's state is here and not in the future that drives it: who waits for an answer may go away, and the answer
//! has to be read all the same before the next question.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::engine::frame::{ASK, Ask, MAX_PAYLOAD, Op, Outcome, REPLY, Reply};

/// An engine stops by itself when its time is over; so much later it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// A payload up to this length is copied behind its head, and goes with it in one call.
const SMALL: usize = 32 << 10;

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
    question: Option<Question>,
    answer: BytesMut,
}

struct Question {
    head: Bytes,
    payload: Bytes,
    until: Instant,
}

impl Link {
    /// A line over this socket.
    pub fn new(socket: UnixStream) -> Self {
        Self { socket, question: None, answer: BytesMut::new() }
    }

    /// Whether an answer is still to come.
    pub fn is_busy(&self) -> bool {
        self.question.is_some()
    }

    /// Puts a question; [`Link::answer`] sends it. `growth` is how many pages the database may grow by.
    pub fn ask(&mut self, op: Op, payload: Bytes, time: Duration, growth: u32) {
        let head = Ask {
            op,
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            time_ms: u32::try_from(time.as_millis()).unwrap_or(u32::MAX),
            growth,
        };
        let mut whole = Vec::with_capacity(ASK + payload.len().min(SMALL));
        whole.extend_from_slice(&head.encode());
        let payload = if payload.len() <= SMALL {
            whole.extend_from_slice(&payload);
            Bytes::new()
        } else {
            payload
        };
        self.question = Some(Question { head: whole.into(), payload, until: Instant::now() + time + GRACE });
    }

    /// Sends what is left of the question and waits for the answer, or for a piece of it: `more` pieces keep the
    /// exchange open. May be dropped at any time and called again.
    ///
    /// # Errors
    /// The engine is of no use any more.
    pub async fn answer(&mut self) -> Result<(Reply, Bytes), Broken> {
        let Some(question) = &mut self.question else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let until = question.until;
        let exchange = async {
            while question.head.has_remaining() {
                self.socket.write_buf(&mut question.head).await?;
            }
            while question.payload.has_remaining() {
                self.socket.write_buf(&mut question.payload).await?;
            }
            read(&mut self.socket, &mut self.answer).await
        };
        let answered = match tokio::time::timeout_at(until, exchange).await {
            Ok(answered) => answered?,
            Err(_) => return Err(Broken::Late),
        };
        if answered.0.outcome != Outcome::More {
            self.question = None;
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
            buffer.reserve(4 << 10);
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
