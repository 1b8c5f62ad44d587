//! A script that comes in pieces, run as one transaction.

use super::database::{Database, Figures, MAX_SQL};
use super::output::{Form, Output};
use super::refusal::Refusal;
use super::statements::{self, Cut};

/// A script of which the beginning has run.
#[derive(Default)]
pub struct Import {
    /// What no statement was made of yet.
    rest: Vec<u8>,
    figures: Figures,
}

impl Import {
    /// Begins a transaction.
    ///
    /// # Errors
    /// SQLite's.
    pub fn begin(database: &Database) -> Result<Self, Refusal> {
        database.own("BEGIN;")?;
        Ok(Self::default())
    }

    /// Runs what is whole.
    ///
    /// # Errors
    /// The transaction was taken back.
    pub fn piece(&mut self, database: &mut Database, piece: &[u8]) -> Result<(), Refusal> {
        self.rest.extend_from_slice(piece);
        let ran = self.run_whole(database);
        if ran.is_err() {
            database.roll_back();
        }
        ran
    }

    /// Runs what no semicolon ended, and commits.
    ///
    /// # Errors
    /// The transaction was taken back.
    pub fn end(mut self, database: &mut Database) -> Result<Figures, Refusal> {
        let ran = self.run_last(database).and_then(|()| database.own("COMMIT;"));
        if ran.is_err() {
            database.roll_back();
        }
        ran.map(|()| self.figures)
    }

    fn run_whole(&mut self, database: &mut Database) -> Result<(), Refusal> {
        let bytes = std::mem::take(&mut self.rest);
        let (text, cut_off) = split_utf8(&bytes)?;
        let mut rest = text;
        while let Cut::Whole(sql, after) = statements::cut(rest) {
            self.statement(database, sql)?;
            rest = after;
        }
        // A comment between two statements may be long too.
        if rest.len() > 2 * MAX_SQL {
            return Err("statement too long: SQLITE_TOOBIG".into());
        }
        self.rest.extend_from_slice(rest.as_bytes());
        self.rest.extend_from_slice(cut_off);
        Ok(())
    }

    fn run_last(&mut self, database: &mut Database) -> Result<(), Refusal> {
        let bytes = std::mem::take(&mut self.rest);
        let text = std::str::from_utf8(&bytes).map_err(|_| not_utf8())?;
        match statements::cut(text) {
            Cut::Open(sql) => self.statement(database, sql),
            Cut::Whole(..) | Cut::Empty => Ok(()),
        }
    }

    fn statement(&mut self, database: &mut Database, sql: &str) -> Result<(), Refusal> {
        let mut unread = Output::new(Form::Rows, MAX_UNREAD);
        let figures = database.statement(sql, &[], true, &mut unread)?;
        self.figures.add(&figures);
        Ok(())
    }
}

/// A script may hold a `SELECT`; its rows go nowhere.
const MAX_UNREAD: usize = 8 << 20;

fn not_utf8() -> Refusal {
    "The script is not UTF-8.".into()
}

/// The text, and the beginning of a character that the piece's end cut off.
fn split_utf8(bytes: &[u8]) -> Result<(&str, &[u8]), Refusal> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((text, &[])),
        Err(error) if error.error_len().is_none() => {
            let (whole, cut_off) = bytes.split_at(error.valid_up_to());
            Ok((std::str::from_utf8(whole).map_err(|_| not_utf8())?, cut_off))
        }
        Err(_) => Err(not_utf8()),
    }
}
