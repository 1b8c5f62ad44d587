//! What stays, what goes, and what a disk can do to it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hearth_cache::Config;
use hearth_space::Space;
use tokio::sync::Barrier;

use crate::support::Rig;

fn url(number: usize) -> String {
    format!("https://x.test/{number}")
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn on_disk(folder: &Path) -> u64 {
    files(folder).iter().map(|path| fs::metadata(path).map_or(0, |found| found.len())).sum()
}

#[tokio::test]
async fn what_is_stored_survives_a_restart() {
    let mut rig = Rig::new();
    let large = "x".repeat(300_000);
    rig.put(&url(1), "200 OK\r\nCache-Control: max-age=100", "small").await;
    rig.put(&url(2), "200 OK\r\nCache-Control: max-age=100", &large).await;
    rig.put(&url(3), "200 OK\r\nCache-Control: max-age=5", "short").await;
    rig.put(&url(4), "200 OK", "deleted").await;
    rig.send("a", "PURGE", &url(4), &[], "").await;
    fs::write(rig.folder().join("incoming/half"), "half").unwrap();
    rig.pass(10);
    rig.reopen().await;
    assert_eq!(rig.get(&url(1), &[]).await.text(), "small");
    let found = rig.get(&url(2), &[]).await;
    assert_eq!((found.text() == large, found.header("age")), (true, "10"));
    assert!(!rig.has(&url(3)).await && !rig.has(&url(4)).await);
    assert_eq!((rig.cache.usage().entries, files(rig.folder()).len()), (3, 3));
}

#[tokio::test]
async fn a_file_that_is_not_whole_is_a_miss() {
    let mut rig = Rig::new();
    let damages: [fn(&mut Vec<u8>); 4] = [
        |file| file.truncate(10),
        |file| file.clear(),
        |file| file[0] ^= 1,
        |file| *file.last_mut().unwrap() ^= 1,
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        rig.put(&url(number), "200 OK", "content").await;
        let stored = files(rig.folder());
        let [path] = stored.as_slice() else { panic!("{stored:?}") };
        let mut file = fs::read(path).unwrap();
        damage(&mut file);
        fs::write(path, file).unwrap();
        rig.reopen().await;
        assert!(!rig.has(&url(number)).await, "{number}");
        rig.send("a", "PURGE", &url(number), &[], "").await;
        assert!(files(rig.folder()).is_empty(), "{number}");
    }
}

#[tokio::test]
async fn the_disk_and_the_memory_are_bounded_and_what_is_used_stays() {
    let disk = 2 << 20;
    let mut rig = Rig::with(|config| Config { disk, memory: 100_000, ..config });
    rig.put(&url(0), "200 OK", "kept").await;
    for number in 1..200 {
        let body = "x".repeat(if number % 10 == 0 { 400_000 } else { 20_000 });
        assert_eq!(rig.put(&url(number), "200 OK", &body).await, 204, "{number}");
        assert!(rig.has(&url(0)).await, "what is used stays: {number}");
        assert!(rig.cache.usage().bytes <= disk && rig.cache.in_memory() <= 100_000);
        assert!(on_disk(rig.folder()) <= disk, "{number}");
    }
    assert!(rig.has(&url(199)).await && !rig.has(&url(1)).await);
    let (usage, stored) = (rig.cache.usage(), files(rig.folder()).len() as u64);
    assert_eq!(usage.entries, stored);
    let too_large = "x".repeat(3 << 20);
    assert_eq!(rig.put(&url(300), "200 OK", &too_large).await, 413);
    assert!(files(&rig.folder().join("incoming")).is_empty());
    // A restart with less room.
    rig.config.disk = disk / 4;
    rig.reopen().await;
    assert!(rig.cache.usage().bytes <= disk / 4 && on_disk(rig.folder()) <= disk / 4);
    assert!(rig.cache.usage().entries > 0);
}

#[tokio::test]
async fn a_full_disk_is_a_miss() {
    let rig = Rig::with(|config| {
        fs::create_dir_all(&config.folder).unwrap();
        let space = hearth_space::Config {
            folder: config.folder.clone(),
            account_quota: None,
            reserve: Some(u64::MAX),
        };
        Config { space: Space::new(space).unwrap(), ..config }
    });
    for size in [10, 1_000_000] {
        assert_eq!(rig.put(&url(size), "200 OK", &"x".repeat(size)).await, 413);
        assert!(!rig.has(&url(size)).await);
    }
    assert!(files(rig.folder()).is_empty() && rig.cache.usage() == hearth_cache::Usage::default());
    let off = Rig::with(|config| Config { disk: 0, ..config });
    assert_eq!(off.put(&url(1), "200 OK", "x").await, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_leave_a_whole_response() {
    let rig = Arc::new(Rig::new());
    let start = Arc::new(Barrier::new(16));
    let tasks = (0..16).map(|number| {
        let (rig, start) = (Arc::clone(&rig), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            let body = number.to_string().repeat(if number % 2 == 0 { 10 } else { 200_000 });
            rig.put(&url(1), "200 OK", &body).await;
            let found = rig.get(&url(1), &[]).await;
            if found.is_hit() {
                let first: u32 = found.text()[..2].parse().unwrap();
                let one = if first >= 10 && first != 11 { &found.text()[..2] } else { &found.text()[..1] };
                assert!(found.text().len() % one.len() == 0 && found.text().starts_with(one));
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!((rig.cache.usage().entries, files(rig.folder()).len()), (1, 1));
}
