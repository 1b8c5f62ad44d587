//! From which size on a value is better off in a file of its own: `cargo bench -p hearth-kv --bench threshold`.
//!
//! Every value is written and read both ways, by one caller and by eight, without the cache of small values.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use hearth_kv::{Attributes, Config, Embedded, Engine, Incoming, Key, Value};

const NAMESPACE: &str = "bench";
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    println!("microseconds a value, median of {ROUNDS}: put alone, put by 8, get alone");
    for size in [16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20] {
        let row = measure(size, usize::MAX).await;
        let file = measure(size, 0).await;
        println!("{:>5} KiB   row {}   file {}", size >> 10, shown(row), shown(file));
    }
}

fn shown(figures: [Duration; 3]) -> String {
    figures.map(|figure| format!("{:>7}", figure.as_micros())).join(" ")
}

async fn measure(size: usize, inline: usize) -> [Duration; 3] {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut config = Config::new(folder.path());
    (config.inline, config.cache) = (inline, 0);
    let engine = Embedded::open(config, [NAMESPACE.to_owned()]).expect("the folder is ours");
    let value = bytes::Bytes::from(vec![7; size]);
    let count = (16 << 20) / size;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let mut figures = [Duration::ZERO; 3];
        for (figure, lanes, writes) in [(0, 1, true), (1, 8, true), (2, 1, false)] {
            let began = Instant::now();
            let lane = |lane: usize| {
                let (engine, value) = (&engine, &value);
                async move {
                    for number in (lane..count.max(lanes)).step_by(lanes) {
                        let key = Key::new(format!("key-{number}")).expect("a key");
                        if writes {
                            put(engine, key, value.clone()).await
                        } else {
                            get(engine, &key, size).await
                        }
                    }
                }
            };
            futures::future::join_all((0..lanes).map(lane)).await;
            figures[figure] = began.elapsed() / u32::try_from(count.max(lanes)).expect("few");
        }
        rounds.push(figures);
    }
    std::array::from_fn(|figure| {
        let mut column: Vec<_> = rounds.iter().map(|round| round[figure]).collect();
        column.sort();
        column[ROUNDS / 2]
    })
}

async fn put(engine: &Embedded, key: Key, value: bytes::Bytes) {
    let length = Some(value.len() as u64);
    let pieces = futures::stream::iter([Ok(value)]).boxed();
    engine.put(NAMESPACE, key, Attributes::default(), Incoming { length, pieces }).await.expect("room");
}

async fn get(engine: &Embedded, key: &Key, size: usize) {
    let entry = engine.get(NAMESPACE, key).await.expect("a value").expect("it was put");
    let read = match entry.value {
        Value::Whole(value) => value.len(),
        Value::Stream { mut pieces, .. } => {
            let mut read = 0;
            while let Some(piece) = pieces.next().await {
                read += piece.expect("a piece").len();
            }
            read
        }
    };
    assert_eq!(read, size);
}
