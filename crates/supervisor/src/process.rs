//! A process from the moment it is told what to run to its end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_jail::{Exit, ExitCause, UsageReader};
use hearth_model::Launch;
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::Death;
use crate::output::{Output, Source};
use crate::services::InstanceSockets;
use crate::spare::Spare;
use crate::workerd::config::{Paths, Purpose, build};
use crate::workerd::control;

/// A process that has been told what to run and listens.
pub(crate) struct Process {
    /// Its name in the jail.
    pub id: String,
    /// Its folder.
    pub dir: PathBuf,
    /// What it uses.
    pub usage: UsageReader,
    /// Set once it is gone.
    pub exit: watch::Receiver<Option<Exit>>,
    /// Why it was killed, if it was killed by us.
    pub sentence: Mutex<Option<Death>>,
    /// What it printed.
    pub output: Arc<Output>,
}

/// Why a process did not come to listen.
#[derive(Debug)]
pub(crate) enum StartError {
    /// It ended: what it printed says why.
    Ended(Death, String),
    /// It ran and did not listen in time.
    Timeout,
    /// Something of ours.
    Io(io::Error),
}

/// Tells a parked process what to run. Its sockets are bound already, so what is sent to them now is read once it
/// listens; [`listening`] says when that is.
pub(crate) async fn configure(
    spare: Spare,
    launch: &Launch,
    purpose: &Purpose<'_>,
    source: Source,
) -> (Process, InstanceSockets, pipe::Receiver) {
    let paths = Paths { hearth: &spare.paths.hearth, data: &spare.paths.data };
    let message = build(launch, purpose, &paths);
    let process = Process {
        id: spare.id,
        dir: spare.dir,
        usage: spare.usage,
        exit: spare.exit,
        sentence: Mutex::new(None),
        output: Output::follow(source, spare.stdout, spare.stderr),
    };
    let mut stdin = spare.stdin;
    // It does not read when it has ended, which `listening` learns too.
    let _ = stdin.write_all(&message).await;
    (process, spare.sockets, spare.control)
}

/// Waits until a configured process listens. On failure the caller kills it by its id.
pub(crate) async fn listening(
    process: &Process,
    control: pipe::Receiver,
    patience: Duration,
) -> Result<(), StartError> {
    match tokio::time::timeout(patience, control::ready(control)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let death = process.ended().await;
            Err(StartError::Ended(death, process.output.errors()))
        }
        Ok(Err(error)) => Err(StartError::Io(error)),
        Err(_) => Err(StartError::Timeout),
    }
}

impl Process {
    /// Waits for its end and says what it died of.
    pub(crate) async fn ended(&self) -> Death {
        let mut exit = self.exit.clone();
        // It closes without one when the jailer is gone, and this process with it.
        let exit = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
        self.output.finished().await;
        if let Some(sentence) = *self.sentence.lock() {
            return sentence;
        }
        match exit {
            Some(exit) => cause_of(&exit, &self.output.errors()),
            None => Death::Crashed,
        }
    }

    /// Notes why it is about to be killed. The first reason stays.
    pub(crate) fn condemn(&self, death: Death) {
        self.sentence.lock().get_or_insert(death);
    }
}

/// V8 ends the process itself when the heap is full: exit code 1 and a line on stderr (workerd.md 6.3).
fn cause_of(exit: &Exit, errors: &str) -> Death {
    let heap = errors.contains("V8 fatal error") && errors.contains("heap limit")
        || errors.contains("JavaScript heap out of memory")
        || errors.contains("Array buffer allocation failed");
    match exit.cause {
        _ if exit.oom || heap => Death::Memory,
        ExitCause::Exited(0) => Death::Stopped,
        _ => Death::Crashed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_it_is_read_from_kernel_and_v8() {
        let ended = |code, oom| Exit { id: String::new(), cause: ExitCause::Exited(code), oom };
        assert_eq!(cause_of(&ended(1, true), ""), Death::Memory);
        let v8 = "fatal: V8 fatal error; location = Reached heap limit";
        assert_eq!(cause_of(&ended(1, false), v8), Death::Memory);
        assert_eq!(cause_of(&ended(1, false), "service main: Uncaught Error"), Death::Crashed);
        assert_eq!(cause_of(&ended(0, false), ""), Death::Stopped);
    }
}
