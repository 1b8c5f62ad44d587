//! Looks at the calendar each minute and runs what is due.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_model::WorkerId;
use hearth_store::{ScheduledRun, Store, StoreError};
use hearth_supervisor::{Ended, Scheduled};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::calendar::{Calendar, Due};

/// Runs at a time. More wait for their turn: at second 0 of an hour everybody is due.
const RUNS: usize = 256;

/// How long a run may take: Cloudflare's limit.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// Runs a worker's `scheduled` handler.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Runs it in the version that serves, to the end of its `waitUntil` tasks.
    ///
    /// # Errors
    /// Why it did not run or did not end, for the worker's owner.
    async fn run(&self, worker: WorkerId, event: &Scheduled) -> Result<Ended, String>;
}

/// The cron triggers of an installation. Clones are the same.
#[derive(Clone)]
pub struct Cron(Arc<Inner>);

struct Inner {
    store: Store,
    runner: Arc<dyn Runner>,
    calendar: Mutex<Calendar>,
    room: Arc<Semaphore>,
}

impl Cron {
    /// Reads every worker's triggers and begins with the next minute, until told to stop.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn start(
        store: Store,
        runner: Arc<dyn Runner>,
        stop: CancellationToken,
    ) -> Result<Self, StoreError> {
        let calendar = Mutex::new(Calendar::new(Timestamp::now()));
        let cron = Self(Arc::new(Inner { store, runner, calendar, room: Arc::new(Semaphore::new(RUNS)) }));
        for worker in cron.0.store.scheduled_workers().await? {
            cron.follow(worker).await?;
        }
        let looking = cron.clone();
        tokio::spawn(async move { stop.run_until_cancelled(looking.look()).await });
        Ok(cron)
    }

    /// Reads a worker's triggers anew; it may be gone.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn follow(&self, worker: WorkerId) -> Result<(), StoreError> {
        let schedules = self.0.store.schedules(worker).await?;
        let crons = schedules.iter().filter_map(|schedule| {
            let parsed = schedule.cron.parse();
            // One that was stored was judged before.
            parsed.inspect_err(|error| tracing::error!(%error, %worker, "a stored trigger is not valid")).ok()
        });
        self.0.calendar.lock().set(worker, crons.collect());
        Ok(())
    }

    /// Runs a worker's handler now, as if it were due at `event`'s time, and records that.
    pub async fn run(&self, worker: WorkerId, event: Scheduled) -> ScheduledRun {
        let Inner { store, runner, .. } = &*self.0;
        let (began, started_on) = (Instant::now(), Timestamp::now());
        let ended = match tokio::time::timeout(LONGEST, runner.run(worker, &event)).await {
            Ok(ended) => ended,
            Err(_) => Err(format!("It took longer than {} minutes.", LONGEST.as_secs() / 60)),
        };
        let (outcome, error) = match ended {
            Ok(ended) => (ended.outcome, None),
            Err(reason) => ("canceled".to_owned(), Some(reason)),
        };
        let run = ScheduledRun {
            cron: event.cron,
            scheduled_on: Timestamp::from_millisecond(event.scheduled_time_ms).unwrap_or_default(),
            started_on,
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome,
            error,
        };
        tracing::info!(
            target: "access", %worker, cron = %run.cron, outcome = %run.outcome, ms = run.duration_ms,
            error = run.error.as_deref(), "scheduled"
        );
        if let Err(error) = store.record_run(worker, &run).await {
            // A worker deleted meanwhile has no record.
            tracing::debug!(%error, %worker, "a scheduled run is not recorded");
        }
        run
    }

    async fn look(&self) {
        loop {
            let now = Timestamp::now();
            let wait = Calendar::next_look(now).duration_since(now);
            tokio::time::sleep(wait.unsigned_abs()).await;
            let due = self.0.calendar.lock().due(Timestamp::now());
            for due in due {
                let cron = self.clone();
                tokio::spawn(async move { cron.run_due(due).await });
            }
        }
    }

    async fn run_due(&self, Due { worker, cron, time }: Due) {
        let Ok(_turn) = self.0.room.acquire().await else { return };
        let event = Scheduled { cron: cron.into(), scheduled_time_ms: time.as_millisecond() };
        self.run(worker, event).await;
    }
}
