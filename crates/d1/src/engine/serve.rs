//! The loop: a question, an answer.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::database::{Database, Figures};
use super::export::{self, Options, Stopped};
use super::frame::{ASK, Ask, Op, Outcome, REPLY, Reply};
use super::import::Import;
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
    let mut engine = Engine { answers: socket, database: None, import: None };
    let mut payload = Vec::new();
    loop {
        let mut head = [0; ASK];
        match questions.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let ask = Ask::decode(&head).ok_or(io::ErrorKind::InvalidData)?;
        payload.clear();
        (&mut questions).take(u64::from(ask.length)).read_to_end(&mut payload)?;
        if payload.len() < ask.length as usize {
            return Ok(());
        }
        engine.answer(ask, &payload)?;
        if let Some(database) = &mut engine.database {
            database.make_room();
        }
        if payload.capacity() > BUFFER {
            payload = Vec::new();
        }
    }
}

struct Engine {
    answers: UnixStream,
    database: Option<Database>,
    import: Option<Import>,
}

impl Engine {
    fn answer(&mut self, ask: Ask, payload: &[u8]) -> io::Result<()> {
        let time = Duration::from_millis(ask.time_ms.into());
        let Some(database) = &mut self.database else {
            let opened = match ask.op {
                Op::Open => Database::open(Path::new(std::ffi::OsStr::from_bytes(payload))),
                _ => return Err(io::ErrorKind::InvalidData.into()),
            };
            let opened = opened.map(|database| self.database = Some(database));
            return self.reply(opened.map(|()| (Figures::default(), blank())));
        };
        database.set_time(time);
        if let Err(refusal) = database.set_growth(ask.growth) {
            self.import = None;
            database.roll_back();
            return self.reply(Err(refusal));
        }
        let answered = match ask.op {
            Op::Open => return Err(io::ErrorKind::InvalidData.into()),
            Op::Rows => run(database, payload, Form::Rows, false),
            Op::Objects => run(database, payload, Form::Objects, false),
            Op::RowsPerStatement => run(database, payload, Form::Rows, true),
            Op::ObjectsPerStatement => run(database, payload, Form::Objects, true),
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
            Op::Fold => database.fold().map(|()| (Figures::default(), blank())),
            Op::Size => database.tables().map(|tables| {
                let mut bytes = blank();
                bytes.extend_from_slice(tables.to_string().as_bytes());
                (Figures::default(), bytes)
            }),
        };
        self.reply(answered)
    }

    /// `done` has room for the head in front.
    fn reply(&mut self, done: Result<(Figures, Vec<u8>), Refusal>) -> io::Result<()> {
        match done {
            Ok((figures, bytes)) => self.send(Outcome::Done, figures, bytes),
            Err(refusal) => {
                let (outcome, text) = refusal.outcome();
                let mut bytes = blank();
                bytes.extend_from_slice(text.as_bytes());
                self.send(outcome, Figures::default(), bytes)
            }
        }
    }

    fn send(&mut self, outcome: Outcome, figures: Figures, mut bytes: Vec<u8>) -> io::Result<()> {
        let mut head = Reply {
            outcome,
            length: u32::try_from(bytes.len() - REPLY).map_err(|_| io::ErrorKind::InvalidData)?,
            frame: self.database.as_ref().map_or(0, Database::frame),
            statements: 0,
            rows_read: 0,
            rows_written: 0,
            changes: 0,
            duration_us: 0,
            size: self.database.as_ref().map_or(0, Database::size),
        };
        figures.into_reply(&mut head);
        bytes[..REPLY].copy_from_slice(&head.encode());
        self.answers.write_all(&bytes)
    }

    fn export(&mut self, options: &[u8]) -> io::Result<()> {
        let options: Options = serde_json::from_slice(options)?;
        let Some(mut database) = self.database.take() else { return Ok(()) };
        let mut pieces = Pieces { engine: self, bytes: blank() };
        let exported = match database.own("BEGIN") {
            Ok(()) => database.gate.trusted(|| export::export(&database.connection, &options, &mut pieces)),
            Err(refusal) => Err(Stopped::Refused(refusal)),
        };
        let last = std::mem::replace(&mut pieces.bytes, blank());
        database.roll_back();
        self.database = Some(database);
        match exported {
            Ok(()) => self.send(Outcome::Done, Figures::default(), last),
            Err(Stopped::Refused(refusal)) => self.reply(Err(refusal)),
            Err(Stopped::Io(error)) => Err(error),
        }
    }
}

/// Room for an answer's head.
fn blank() -> Vec<u8> {
    vec![0; REPLY]
}

fn run(
    database: &mut Database,
    json: &[u8],
    form: Form,
    per_statement: bool,
) -> Result<(Figures, Vec<u8>), Refusal> {
    let mut output = Output::new(form, MAX_RESULTS);
    let figures = database.run(json, per_statement, &mut output)?;
    Ok((figures, output.finish()))
}

/// Sends what is written to it in pieces.
struct Pieces<'a> {
    engine: &'a mut Engine,
    bytes: Vec<u8>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= PIECE {
            let piece = std::mem::replace(&mut self.bytes, blank());
            self.engine.send(Outcome::More, Figures::default(), piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
