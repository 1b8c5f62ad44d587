//! API → the machine: what it has, and what `hearth doctor` would find on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::State;
use hearth_api::{ApiError, Operation, Reply};
use hearth_openapi::{
    Schema, Section, array, boolean, get, integer, object, one_of, reference, string, time,
};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::openapi::VERSION;
use crate::doctor::Examination;

/// What does not change while the server runs. What was examined is what it runs with: what has been mended since counts
/// from its next start.
#[derive(Clone)]
struct Node {
    data_dir: PathBuf,
    listen: SocketAddr,
    started_on: Timestamp,
    examined: Arc<Examination>,
}

/// `GET installation/nodes`.
pub fn operation(data_dir: &Path, listen: SocketAddr, examined: Examination) -> Operation {
    let node = Node {
        data_dir: data_dir.to_owned(),
        listen,
        started_on: Timestamp::now(),
        examined: Arc::new(examined),
    };
    Operation::new(Method::GET, "/installation/nodes", list, &node)
}

async fn list(State(node): State<Node>) -> Result<Reply, ApiError> {
    let disk = rustix::fs::statvfs(&node.data_dir)
        .map_err(|error| ApiError::internal(format!("the data folder's disk: {error}")))?;
    let tier = node.examined.tier;
    Ok(Reply::new(json!([{
        "name": rustix::system::uname().nodename().to_string_lossy(),
        "version": VERSION,
        "kernel": rustix::system::uname().release().to_string_lossy(),
        "listen": node.listen.to_string(),
        "started_on": node.started_on.to_string(),
        "cpus": std::thread::available_parallelism().map_or(1, usize::from),
        "memory": { "total": memory("MemTotal:"), "available": memory("MemAvailable:") },
        "disk": {
            "total": disk.f_blocks.saturating_mul(disk.f_frsize),
            "available": disk.f_bavail.saturating_mul(disk.f_frsize),
        },
        "tier": tier.to_string(),
        "guarantees": tier.guarantees(),
        "findings": node.examined.listed(),
    }])))
}

/// Bytes that a line of `/proc/meminfo` (proc(5)) names.
pub fn memory(line: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    named(&text, line)
}

fn named(text: &str, line: &str) -> Option<u64> {
    let rest = text.lines().find_map(|found| found.strip_prefix(line))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

/// Describes the operation.
pub fn describe(section: &mut Section<'_>) {
    let bytes = || {
        let of = |schema: Schema| schema.or_null().about("Bytes.");
        object().has("total", of(integer())).has("available", of(integer()))
    };
    let finding = object()
        .has("name", string())
        .has("ok", boolean())
        .has("detail", string().about("What was found."))
        .has("remedy", string().about("What to do about it; empty where nothing is."));
    section.schema(
        "Node",
        object()
            .has("name", string())
            .has("version", string())
            .has("kernel", string())
            .has("listen", string())
            .has("started_on", time())
            .has("cpus", integer())
            .has("memory", bytes())
            .has("disk", bytes().about("Of the data folder."))
            .has("tier", one_of(&["full", "reduced", "none"]).about("How isolated workers are."))
            .has("guarantees", string().about("What that means."))
            .has("findings", array(finding).about("What `hearth doctor` says, as of the server's start.")),
    );
    section.add(
        get("/installation/nodes", "List nodes")
            .about("The machines of the installation, and what was found on each.")
            .gives(array(reference("Node"))),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:       16384 kB\nMemAvailable:    512 kB\n";
        assert_eq!(named(text, "MemTotal:"), Some(16 << 20));
        assert_eq!(named(text, "MemAvailable:"), Some(512 << 10));
        assert_eq!(named(text, "SwapTotal:"), None);
    }
}
