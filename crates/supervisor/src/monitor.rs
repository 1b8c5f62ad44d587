//! Looks at every process: its heartbeat and CPU while it is busy, its memory from time to time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hearth_jail::Signal;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Death;
use crate::plan::Event;
use crate::supervisor::{Running, Shared};
use crate::watch::{Sample, Watch};

/// Time between looks at processes that have something to do.
const BUSY_LOOK: Duration = Duration::from_millis(100);

/// Every so many looks, all processes are looked at: memory moves slowly, and an idle one should cost nothing.
const FULL_LOOK: u32 = 20;

/// What is remembered of a process between two looks.
pub(crate) struct Monitored {
    watch: Watch,
    /// None of a function's process: its one call may keep it busy.
    heart: Option<Arc<Heart>>,
    looked: Instant,
    cpu: Duration,
    share: f64,
    /// The process, as the kernel counts how long it waits for a core.
    pid: Option<i32>,
    waited: Duration,
    waiting: f64,
    memory: u64,
    memory_limit: u64,
    busy: bool,
}

/// The heartbeat of a process: a request to a native service that is answered as long as the event loop turns.
struct Heart {
    socket: PathBuf,
    asking: AtomicBool,
    /// CPU time, in microseconds, that had been burned when the newest answered beat was sent.
    cpu_at_beat: AtomicU64,
    connection: tokio::sync::Mutex<Option<SendRequest<Empty<bytes::Bytes>>>>,
}

impl Monitored {
    /// `pid` and `hb_socket` are a worker's; a function has neither.
    pub(crate) fn new(
        limit: Duration,
        memory_limit: u64,
        pid: Option<i32>,
        hb_socket: Option<PathBuf>,
    ) -> Self {
        let heart = hb_socket.map(|socket| Heart {
            socket,
            asking: AtomicBool::new(false),
            cpu_at_beat: AtomicU64::new(0),
            connection: tokio::sync::Mutex::new(None),
        });
        Self {
            watch: Watch::new(limit),
            heart: heart.map(Arc::new),
            looked: Instant::now(),
            cpu: Duration::ZERO,
            share: 0.0,
            pid,
            waited: Duration::ZERO,
            waiting: 0.0,
            memory: 0,
            memory_limit,
            busy: true,
        }
    }

    /// Bytes of memory, as of the last look.
    pub(crate) fn memory(&self) -> u64 {
        self.memory
    }

    /// CPU time since it started, and the share of a core that it used or waited for, as of the last look.
    pub(crate) fn cpu(&self) -> (Duration, f64) {
        (self.cpu, self.share + self.waiting)
    }
}

/// Looks until told to stop looking.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(BUSY_LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u32;
    let mut machine = Machine::default();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => {}
        }
        round = round.wrapping_add(1);
        let full = round.is_multiple_of(FULL_LOOK);
        let mut all: Vec<_> = shared.running.lock().values().cloned().collect();
        all.extend(shared.inspected.all());
        if stop.is_cancelled() {
            // Draining needs looks to the end, only no longer at this pace.
            if all.is_empty() {
                return;
            }
            tokio::time::sleep(BUSY_LOOK).await;
        }
        if let Some(spare) = machine.spare_cores() {
            shared.tell(Event::Spare(spare));
        }
        for running in all {
            look(&shared, &running, full);
        }
    }
}

/// What the machine's cores do, from `/proc/stat`.
#[derive(Default)]
struct Machine {
    idle: u64,
    looked: Option<Instant>,
}

/// Clock ticks a second in `/proc/stat` (proc(5): USER_HZ, 100 on every architecture we run on).
const TICKS: f64 = 100.0;

impl Machine {
    /// Cores that were idle since the last look. None at the first, or where it cannot be read.
    fn spare_cores(&mut self) -> Option<f64> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        let idle: u64 = text.lines().next()?.split_whitespace().nth(4)?.parse().ok()?;
        let since = self.looked.replace(Instant::now());
        let before = std::mem::replace(&mut self.idle, idle);
        Some(idle.saturating_sub(before) as f64 / TICKS / since?.elapsed().as_secs_f64().max(0.001))
    }
}

/// Reads the process's cgroup files: a few microseconds each, so they are read right here.
fn look(shared: &Arc<Shared>, running: &Arc<Running>, full: bool) {
    let instance = &running.instance;
    let mut monitored = running.monitored.lock();
    let in_flight = instance.in_flight();
    // One that still starts has the start's own time limit.
    if !instance.is_open() || !full && in_flight == 0 && !monitored.busy {
        return;
    }
    let Ok(usage) = running.process.usage.read() else {
        // Gone: its exit is on its way.
        return;
    };
    let elapsed = monitored.looked.elapsed().as_secs_f64().max(0.001);
    monitored.share = usage.cpu.saturating_sub(monitored.cpu).as_secs_f64() / elapsed;
    shared.tallies.burned(instance.key.worker, usage.cpu.saturating_sub(monitored.cpu));
    let waited = monitored.pid.and_then(waited_for_a_core).unwrap_or(monitored.waited);
    monitored.waiting = waited.saturating_sub(monitored.waited).as_secs_f64() / elapsed;
    monitored.waited = waited;
    monitored.looked = Instant::now();
    monitored.cpu = usage.cpu;
    monitored.memory = usage.memory_bytes;
    // An idle process that burns CPU is looked at like a busy one: `waitUntil` may loop too.
    monitored.busy = in_flight > 0 || monitored.share > 0.05;

    // What the start has burned is no request's: the account begins at the first look.
    let burned = u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX);
    let cpu_at_beat = match &monitored.heart {
        Some(heart) => {
            let _ = heart.cpu_at_beat.compare_exchange(0, burned, Ordering::Relaxed, Ordering::Relaxed);
            Duration::from_micros(heart.cpu_at_beat.load(Ordering::Relaxed))
        }
        None => usage.cpu,
    };
    let sample = Sample { cpu: usage.cpu, cpu_at_beat, in_flight, served: instance.served() };
    if let (true, Some(heart)) = (monitored.busy, &monitored.heart) {
        Heart::beat(heart, usage.cpu);
    }
    // Where there is a cgroup the kernel is faster; where there is none, this is the limit.
    let too_large = (usage.memory_bytes > monitored.memory_limit).then_some(Death::Memory);
    let late = instance.is_late().then_some(Death::Timeout);
    if let Some(death) = late.or(monitored.watch.observe(sample)).or(too_large) {
        shared.signal(instance.serial, death, Signal::Kill);
        return;
    }
    drop(monitored);
    shared.tell(running.observed(shared.began));
}

/// How long a process's first thread, on which a worker's code runs, could have run and had no core (proc(5),
/// `schedstat`). None where the kernel does not count it.
fn waited_for_a_core(pid: i32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

impl Heart {
    /// Sends a beat unless one is under way.
    fn beat(heart: &Arc<Self>, cpu: Duration) {
        if heart.asking.swap(true, Ordering::Relaxed) {
            return;
        }
        let heart = Arc::clone(heart);
        tokio::spawn(async move {
            let answered = heart.ask().await.is_some();
            if answered {
                let burned = u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
                heart.cpu_at_beat.store(burned, Ordering::Relaxed);
            }
            heart.asking.store(false, Ordering::Relaxed);
        });
    }

    /// Any answer will do, a 404 too. None: the connection failed.
    async fn ask(&self) -> Option<()> {
        let mut connection = self.connection.lock().await;
        if connection.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TokioIo::new(UnixStream::connect(&self.socket).await.ok()?);
            let (sender, driver) = http1::handshake(stream).await.ok()?;
            tokio::spawn(driver);
            *connection = Some(sender);
        }
        let sender = connection.as_mut()?;
        sender.ready().await.ok()?;
        let request = Request::head("/").header("host", "beat").body(Empty::new()).ok()?;
        let response = sender.send_request(request).await.ok()?;
        response.into_body().collect().await.ok()?;
        Some(())
    }
}
