//! Tries code that nobody has accepted yet.

use hearth_jail::Signal;
use hearth_model::{Launch, ProbeError, Probed};
use tokio::time::Instant;

use crate::Death;
use crate::inquiry::ask;
use crate::output::{Console, Source};
use crate::process::{StartError, configure, listening};
use crate::spare::{Flavour, PARKED_MEMORY};
use crate::supervisor::Shared;
use crate::workerd::config::Purpose;
use crate::workerd::probe;

impl Shared {
    pub(crate) async fn probe(&self, candidate: Launch) -> Result<Probed, ProbeError> {
        let unavailable = |error: &dyn std::fmt::Display| ProbeError::Unavailable(error.to_string());
        let _permit = self.starting.acquire().await.map_err(|error| unavailable(&error))?;
        let spare = self
            .spares
            .take(Flavour::Plain)
            .await
            .ok_or_else(|| unavailable(&"the server is shutting down"))?;
        let limits = self.nursery.limits(PARKED_MEMORY, false);
        self.jailer.set_limits(&spare.id, limits).await.map_err(|error| unavailable(&error))?;
        let (name, source) = probe::entry(&candidate.format);
        let purpose = Purpose::Probe(probe::as_entry(name, &source));
        let output =
            Source { worker: candidate.name.clone(), version: candidate.version, console: Console::Silent };
        let http = spare.dir.join("out").join("http.sock");
        let began = Instant::now();
        let (process, _sockets, control) = configure(spare, &candidate, &purpose, output).await;
        let found = match listening(&process, control, self.config.start_timeout).await {
            Ok(()) => ask(&http, self.config.start_timeout).await,
            Err(StartError::Ended(Death::Memory, _)) => {
                Err(ProbeError::Invalid("Script startup exceeded memory limit.".into()))
            }
            Err(StartError::Ended(_, errors)) => Err(ProbeError::Invalid(probe::complaint(&errors))),
            Err(StartError::Timeout) => {
                Err(ProbeError::Invalid("Script startup exceeded CPU time limit.".into()))
            }
            Err(StartError::Io(error)) => Err(unavailable(&error)),
        };
        let startup_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        process.condemn(Death::Stopped);
        if let Err(error) = self.jailer.kill(&process.id, Signal::Kill).await {
            tracing::debug!(%error, id = process.id, "a probe is gone already");
        }
        found.map(|exports| Probed { exports, startup_time_ms })
    }
}
