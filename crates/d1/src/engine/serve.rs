//! The loop: a question, an answer.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answers::{Answers, TOGETHER, empty};
use super::database::{Database, Figures};
use super::export::{self, Options, Stopped};
use super::frame::{ASK, Ask, Op, Outcome, REPLY, Reply};
use super::import::Import;
use super::log::{self, Log};
use super::output::{Form, Output};
use super::refusal::Refusal;

/// Bytes of a request's results.
pub const MAX_RESULTS: usize = 32 << 20;

/// A question and its payload usually come at once.
const BUFFER: usize = 64 << 10;

/// Pieces of an export.
const PIECE: usize = 256 << 10;

/// Serves one database over this socket until the other side closes it.
///
/// # Errors
/// The socket's, and a question that is none.
pub fn serve(socket: UnixStream) -> io::Result<()> {
    let mut questions = BufReader::with_capacity(BUFFER, socket.try_clone()?);
    let mut payload = Vec::new();
    let Some(open) = next(&mut questions, &mut payload)? else { return Ok(()) };
    let Some(mut engine) = Engine::open(socket, open, &payload)? else { return Ok(()) };
    while let Some(ask) = next(&mut questions, &mut payload)? {
        engine.answer(ask, &payload)?;
        if !ask.follows {
            let mut answers = engine.answers.lock();
            answers.release()?;
            answers.log.make_room();
        }
        if payload.capacity() > BUFFER {
            payload = Vec::new();
        }
    }
    Ok(())
}

/// The next question, its payload in `payload`; None when there will be none.
fn next(questions: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<Ask>> {
    let mut head = [0; ASK];
    match questions.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let ask = Ask::decode(&head).ok_or(io::ErrorKind::InvalidData)?;
    payload.clear();
    questions.take(u64::from(ask.length)).read_to_end(payload)?;
    Ok((payload.len() == ask.length as usize).then_some(ask))
}

struct Engine {
    /// Shared with the hook that SQLite calls while a statement runs.
    answers: Arc<Mutex<Answers<UnixStream, Log>>>,
    database: Database,
    import: Option<Import>,
}

impl Engine {
    /// Answers the first question, which opens the database. None when it cannot be opened: nothing else can be done.
    fn open(socket: UnixStream, ask: Ask, path: &[u8]) -> io::Result<Option<Self>> {
        if ask.op != Op::Open {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let answers = Arc::new(Mutex::new(Answers::new(socket, Log::of(path))));
        let told = Arc::clone(&answers);
        let opened = Database::open(path, move || told.lock().running().is_err());
        let (outcome, text, size) = match &opened {
            Ok(database) => (Outcome::Done, "", database.size()),
            Err(refusal) => {
                let (outcome, text) = refusal.outcome();
                (outcome, text, 0)
            }
        };
        let mut bytes = blank();
        bytes.extend_from_slice(text.as_bytes());
        let mut answering = answers.lock();
        answering.log.opened();
        answering.hold(sealed(outcome, Figures::default(), bytes, size, 0)?)?;
        answering.release()?;
        drop(answering);
        Ok(opened.ok().map(|database| Self { answers, database, import: None }))
    }

    fn answer(&mut self, ask: Ask, payload: &[u8]) -> io::Result<()> {
        let (first, began) = self.answers.lock().begin(Instant::now());
        if !first && began.elapsed() >= TOGETHER {
            return self.answers.lock().hold(empty(Outcome::Postponed).to_vec());
        }
        let database = &mut self.database;
        let shared = ask.follows || !first;
        database.set_time(Duration::from_millis(ask.time_ms.into()), shared.then(|| began + TOGETHER));
        if let Err(refusal) = database.set_growth(ask.growth, first) {
            self.import = None;
            database.roll_back();
            return self.reply(Err(refusal));
        }
        let answered = match ask.op {
            Op::Open => return Err(io::ErrorKind::InvalidData.into()),
            Op::Rows => return self.run(payload, Form::Rows, false),
            Op::Objects => return self.run(payload, Form::Objects, false),
            Op::RowsPerStatement => return self.run(payload, Form::Rows, true),
            Op::ObjectsPerStatement => return self.run(payload, Form::Objects, true),
            Op::Import => {
                let import = match self.import.take() {
                    Some(import) => Ok(import),
                    None => Import::begin(database),
                };
                import.and_then(|mut import| {
                    import.piece(database, payload)?;
                    self.import = Some(import);
                    Ok((Figures::default(), blank()))
                })
            }
            Op::ImportEnd => match self.import.take() {
                Some(import) => import.end(database).map(|figures| (figures, blank())),
                None => Ok((Figures::default(), blank())),
            },
            Op::Export => return self.export(payload),
            Op::Fold => {
                let folded = database.fold();
                if folded.is_ok() {
                    self.answers.lock().log.folded();
                }
                folded.map(|()| (Figures::default(), blank()))
            }
            Op::Size => database.tables().map(|tables| {
                let mut bytes = blank();
                bytes.extend_from_slice(tables.to_string().as_bytes());
                (Figures::default(), bytes)
            }),
        };
        self.reply(answered)
    }

    /// Runs queries; behind their results stands what ran.
    fn run(&mut self, json: &[u8], form: Form, per_statement: bool) -> io::Result<()> {
        let mut output = Output::new(form, MAX_RESULTS);
        match self.database.run(json, per_statement, &mut output) {
            Ok(figures) => {
                let mut bytes = output.finish();
                let ran = self.database.ran.write(&mut bytes);
                self.send(Outcome::Done, figures, bytes, ran)
            }
            Err(refusal) => self.reply(Err(refusal)),
        }
    }

    /// `done` has room for the head in front.
    fn reply(&mut self, done: Result<(Figures, Vec<u8>), Refusal>) -> io::Result<()> {
        match done {
            Ok((figures, bytes)) => self.send(Outcome::Done, figures, bytes, 0),
            Err(refusal) => {
                let (outcome, text) = refusal.outcome();
                let mut bytes = blank();
                bytes.extend_from_slice(text.as_bytes());
                self.send(outcome, Figures::default(), bytes, 0)
            }
        }
    }

    /// The last `ran` bytes say what ran.
    fn send(&mut self, outcome: Outcome, figures: Figures, bytes: Vec<u8>, ran: usize) -> io::Result<()> {
        let answer = sealed(outcome, figures, bytes, self.database.size(), ran)?;
        self.answers.lock().hold(answer)
    }

    fn export(&mut self, options: &[u8]) -> io::Result<()> {
        let options: Options = serde_json::from_slice(options)?;
        let database = &mut self.database;
        let mut pieces = Pieces { answers: &self.answers, size: database.size(), bytes: blank() };
        let exported = match database.own("BEGIN;") {
            Ok(()) => database.gate.trusted(|| export::export(&database.connection, &options, &mut pieces)),
            Err(refusal) => Err(Stopped::Refused(refusal)),
        };
        let last = std::mem::replace(&mut pieces.bytes, blank());
        database.roll_back();
        match exported {
            Ok(()) => self.send(Outcome::Done, Figures::default(), last, 0),
            Err(Stopped::Refused(refusal)) => self.reply(Err(refusal)),
            Err(Stopped::Io(error)) => Err(error),
        }
    }
}

/// An answer with its head, which `bytes` have room for.
fn sealed(
    outcome: Outcome,
    figures: Figures,
    mut bytes: Vec<u8>,
    size: u64,
    ran: usize,
) -> io::Result<Vec<u8>> {
    let length = |length| u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
    let mut head = Reply {
        outcome,
        length: length(bytes.len() - REPLY)?,
        frame: log::frame(),
        statements: 0,
        rows_read: 0,
        rows_written: 0,
        changes: 0,
        duration_us: 0,
        size,
        ran: length(ran)?,
    };
    figures.into_reply(&mut head);
    bytes[..REPLY].copy_from_slice(&head.encode());
    Ok(bytes)
}

/// Room for an answer's head.
fn blank() -> Vec<u8> {
    vec![0; REPLY]
}

/// Sends what is written to it in pieces.
struct Pieces<'a> {
    answers: &'a Mutex<Answers<UnixStream, Log>>,
    size: u64,
    bytes: Vec<u8>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= PIECE {
            let piece = std::mem::replace(&mut self.bytes, blank());
            let piece = sealed(Outcome::More, Figures::default(), piece, self.size, 0)?;
            let mut answers = self.answers.lock();
            answers.hold(piece)?;
            answers.release()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
