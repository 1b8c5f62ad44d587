//! What the operator's log says of refusals.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::support::{Setup, Socket, serve, until};

/// Every event's fields, as one line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        if event.metadata().target().starts_with("hearth_egress") {
            let mut line = Line(format!("{} ", event.metadata().level()));
            event.record(&mut line);
            self.0.lock().push(line.0);
        }
    }
}

impl Lines {
    /// How many refusals of a worker have their own line, and how many are in a count.
    fn refusals(&self, worker: &str) -> (usize, usize) {
        let lines = self.0.lock();
        let of_worker = || lines.iter().filter(|line| line.contains(&format!("worker={worker} ")));
        let counts = of_worker()
            .filter_map(|line| line.split_once(" count=")?.1.split(' ').next()?.parse::<usize>().ok());
        (of_worker().filter(|line| !line.contains(" count=")).count(), counts.sum())
    }
}

async fn flood(socket: &Socket, times: usize) {
    for _ in 0..times {
        assert_eq!(socket.status("GET http://10.0.0.1/ HTTP/1.1").await, 403);
    }
}

#[tokio::test]
async fn a_worker_cannot_flood_the_operators_log() {
    let lines = Lines::default();
    // Of the whole process: with a subscriber of one thread, another thread may decide that nobody listens to a line.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines.clone())).unwrap();
    tracing::callsite::rebuild_interest_cache();
    let rig = Setup { policy: "{}", ..Setup::default() }.start();
    let (flooding, calm) = (serve(&rig.egress, "flooding"), serve(&rig.egress, "calm"));
    flood(&flooding, 300).await;
    flood(&calm, 1).await;
    assert_eq!(lines.refusals("calm"), (1, 0), "one worker's flood does not silence another");
    let line = lines.0.lock().iter().find(|line| line.contains("worker=calm ")).unwrap().clone();
    for part in ["WARN", "account=a ", "version=v ", "destination=10.0.0.1:80 ", "private network"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    drop(flooding);
    until("every refusal is accounted for", || {
        let (listed, counted) = lines.refusals("flooding");
        listed + counted == 300
    })
    .await;
    let (listed, counted) = lines.refusals("flooding");
    assert!(counted > listed, "{listed} lines for 300 refusals");
}
