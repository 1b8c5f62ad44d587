//! What an instance uses, read without the jailer.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What an instance has used and uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// CPU time since its start.
    pub cpu: Duration,
    /// Memory now, in bytes; in cgroups with the file cache that is charged to it.
    pub memory_bytes: u64,
}

/// Reads what one instance uses. Cheap: two small files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReader(pub(crate) Source);

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    V2 { folder: PathBuf },
    V1 { memory: PathBuf, cpuacct: PathBuf },
    Process { pid: i32 },
}

impl UsageReader {
    /// Reads it now.
    ///
    /// # Errors
    /// When the instance is gone.
    pub fn read(&self) -> io::Result<Usage> {
        match &self.0 {
            Source::V2 { folder } => {
                let stat = fs::read_to_string(folder.join("cpu.stat"))?;
                let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "));
                Ok(Usage {
                    cpu: Duration::from_micros(number(micros.unwrap_or_default())?),
                    memory_bytes: file(&folder.join("memory.current"))?,
                })
            }
            Source::V1 { memory, cpuacct } => Ok(Usage {
                cpu: Duration::from_nanos(file(&cpuacct.join("cpuacct.usage"))?),
                memory_bytes: file(&memory.join("memory.usage_in_bytes"))?,
            }),
            Source::Process { pid } => process(*pid),
        }
    }

    /// What reads the most memory that it has used at any moment, again and again.
    pub fn peak(&self) -> PeakReader {
        let path = match &self.0 {
            // Since Linux 5.19.
            Source::V2 { folder } => Some(folder.join("memory.peak")),
            Source::V1 { memory, .. } => Some(memory.join("memory.max_usage_in_bytes")),
            Source::Process { .. } => None,
        };
        PeakReader { file: path.and_then(|path| fs::File::open(path).ok()), usage: self.clone() }
    }

    /// Whether the kernel holds the memory limit. Where it does not, the caller compares
    /// [`Usage::memory_bytes`] with it now and then and kills.
    pub fn memory_is_limited(&self) -> bool {
        !matches!(self.0, Source::Process { .. })
    }
}

/// Reads the most memory that one instance has used. Its file stays open: looking it up costs more than reading it.
#[derive(Debug)]
pub struct PeakReader {
    /// None where the kernel keeps no such number.
    file: Option<fs::File>,
    usage: UsageReader,
}

impl PeakReader {
    /// In bytes; what it uses now where the kernel does not keep the most.
    ///
    /// # Errors
    /// When the instance is gone.
    pub fn read(&self) -> io::Result<u64> {
        let Some(file) = &self.file else { return self.usage.read().map(|usage| usage.memory_bytes) };
        let mut text = [0; 24];
        let read = file.read_at(&mut text, 0)?;
        number(std::str::from_utf8(&text[..read]).unwrap_or_default())
    }
}

/// From `/proc/<pid>/stat`, fields 14 and 15 (ticks) and 24 (pages); proc(5).
fn process(pid: i32) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, field 2, may hold anything but ends with the last parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |position: usize| number(fields.get(position - 3).copied().unwrap_or_default());
    let ticks = field(14)? + field(15)?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Ok(Usage {
        cpu: Duration::from_millis(ticks * 1000 / per_second),
        memory_bytes: field(24)? * rustix::param::page_size() as u64,
    })
}

fn file(path: &Path) -> io::Result<u64> {
    number(&fs::read_to_string(path)?)
}

fn number(text: &str) -> io::Result<u64> {
    text.trim()
        .parse()
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no number")))
}
