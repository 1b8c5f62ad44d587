//! What is deleted is the disk's again.

use std::time::Instant;

use super::*;

const KEYS: usize = 1500;

fn size(bed: &Bed) -> u64 {
    fs::metadata(bed.engine.shared.connections.path(NS)).unwrap().len()
}

/// A file of some 15 MB.
async fn fill(bed: &Bed) {
    let put = |number: usize| async move {
        let value = vec![number as u8; 10_000];
        let key = k(&format!("key-{number:05}"));
        bed.engine.put(NS, key, Attributes::default(), incoming(&value, 10_000)).await.unwrap();
    };
    futures::stream::iter((0..KEYS).map(put)).buffer_unordered(64).collect::<Vec<()>>().await;
}

async fn delete(engine: &Embedded, numbers: std::ops::Range<usize>) {
    let changes = numbers.map(|number| Change::Delete(k(&format!("key-{number:05}")))).collect();
    engine.apply(NS, changes).await.unwrap();
}

async fn shrinks(bed: &Bed, to: u64) {
    let began = Instant::now();
    while size(bed) > to {
        assert!(began.elapsed() < Duration::from_secs(60), "{} bytes are left", size(bed));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_becomes_smaller_when_most_of_it_is_deleted() {
    let bed = Bed::new();
    fill(&bed).await;
    // The log is copied into it when there is enough of it.
    fill(&bed).await;
    let full = size(&bed);
    assert!(full > 10_000_000, "{full}");
    delete(&bed.engine, 0..200).await;
    delete(&bed.engine, 200..KEYS - 100).await;
    shrinks(&bed, full / 3).await;
    for number in [KEYS - 100, KEYS - 1] {
        assert_eq!(bed.text(&format!("key-{number:05}")).await, Some(vec![number as u8; 10_000]));
    }
    assert_eq!(bed.text("key-00000").await, None);
    bed.put("another", b"value").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crash_left_free_is_given_back_at_the_next_start() {
    let bed = Bed::new();
    fill(&bed).await;
    fill(&bed).await;
    let full = size(&bed);
    {
        // As a process that died before it could.
        let shared = &bed.engine.shared;
        let connection = shared.connections.take(u64::MAX, NS, false).unwrap().unwrap();
        connection.execute_batch("DELETE FROM entries; UPDATE usage SET keys = 0, bytes = 0").unwrap();
        shared.connections.close(connection);
    }
    assert!(size(&bed) >= full);
    let _again = bed.again();
    shrinks(&bed, full / 3).await;
}
