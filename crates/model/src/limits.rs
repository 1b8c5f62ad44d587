//! What one worker may use.

use serde::{Deserialize, Serialize};

/// Largest upload accepted, in bytes, before compression: Cloudflare's 64 MiB.
pub const MAX_SCRIPT_BYTES: usize = 64 << 20;

/// The limits of a version. Absent fields take the installation's defaults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time of one request in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Subrequests of one request. Stored and shown; what egress can count is per instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subrequests: Option<u64>,
    /// Memory of the worker's isolate in MiB. Ours: Cloudflare's is fixed at 128.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u64>,
    /// How long one call of a function may take, in milliseconds. Workers have no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl Limits {
    /// CPU limit in milliseconds where a version names none.
    pub const DEFAULT_CPU_MS: u64 = 30_000;
    /// Largest CPU limit in milliseconds: Cloudflare's five minutes.
    pub const MAX_CPU_MS: u64 = 300_000;
    /// Memory limit in MiB where a version names none.
    pub const DEFAULT_MEMORY_MB: u64 = 128;
    /// What a process may use above its worker's limit, in MiB. V8's heap flag counts neither ArrayBuffers nor
    /// Wasm, and a hello-world under load needs about 180 MiB (workerd.md 6.3), so the process needs room.
    pub const MEMORY_ALLOWANCE_MB: u64 = 192;

    /// How long a call of a function may take where its version names nothing, in milliseconds.
    pub const DEFAULT_TIMEOUT_MS: u64 = 30_000;
    /// The longest that it may name, in milliseconds.
    pub const MAX_TIMEOUT_MS: u64 = 900_000;

    /// How long a call of a function may take, in milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(Self::DEFAULT_TIMEOUT_MS)
    }

    /// The CPU limit in force, in milliseconds.
    pub fn cpu_ms(&self) -> u64 {
        self.cpu_ms.unwrap_or(Self::DEFAULT_CPU_MS).clamp(1, Self::MAX_CPU_MS)
    }

    /// The isolate's memory limit in force, in MiB.
    pub fn memory_mb(&self) -> u64 {
        self.memory_mb.unwrap_or(Self::DEFAULT_MEMORY_MB)
    }

    /// The process's memory limit in force, in bytes.
    pub fn process_memory_bytes(&self) -> u64 {
        (self.memory_mb() + Self::MEMORY_ALLOWANCE_MB) << 20
    }
}
