//! The engine against a model, against itself under concurrency, and against crashes.

mod crash;
mod exact;
mod model;
mod parts;

use std::path::Path;

use super::super::body::Incoming;
use super::super::engine::Engine;
use super::super::error::{R2Error, Result};
use super::super::registry::Config;
use super::super::types::{GetOptions, Object, PutOptions};
use super::Local;

/// Above this a content becomes a file in these tests.
const INLINE: usize = 1000;

fn local(root: &Path) -> Local {
    local_with(Config::new(root.to_owned()))
}

fn local_with(mut config: Config) -> Local {
    config.inline_bytes = INLINE;
    let mut local = Local::open(&config).unwrap();
    local.min_part = 10;
    local
}

async fn bucket(root: &Path) -> Local {
    let local = local(root);
    local.create_bucket("b").await.unwrap();
    local
}

async fn put(local: &Local, key: &str, content: Vec<u8>) -> Result<Object> {
    local.put("b", key, PutOptions::default(), Incoming::bytes(content), Vec::new()).await
}

async fn get(local: &Local, key: &str) -> Result<Vec<u8>> {
    let found = local.get("b", key, GetOptions::default()).await?;
    Ok(found.body.collect().await.unwrap())
}

/// Files of contents on the disk, in the order of their names.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["objects", "incoming"] {
        let mut folders = vec![root.join("b").join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
        }
    }
    found.sort();
    found
}

/// Waits until the disk holds `count` files: what nobody needs is removed in the background.
async fn settle(root: &Path, count: usize) {
    for _ in 0..1000 {
        if files(root).len() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("{} files instead of {count}", files(root).len());
}
