//! What an earlier run left: processes by the notes in their folders, and the folders.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Notes which process belongs to an instance's folder.
pub(crate) fn note(dir: &Path, pid: i32) -> io::Result<()> {
    let Some(start) = start_time(pid) else { return Ok(()) };
    fs::write(dir.join("pid"), format!("{pid} {start} {}", boot()?))
}

/// Kills processes that the notes below `<run_dir>/i` name, if they are still the same, and removes the folders.
pub(crate) fn reap(run_dir: &Path) -> io::Result<usize> {
    let mut found = 0;
    for entry in fs::read_dir(run_dir.join("i")).into_iter().flatten() {
        let dir = entry?.path();
        if let Ok(note) = fs::read_to_string(dir.join("pid")) {
            kill(&note)?;
        }
        remove(&dir)?;
        found += 1;
    }
    Ok(found)
}

/// Removes an instance's folder.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    // Sealed, its owner cannot empty it either. It may be gone, or was never there.
    let _ = fs::set_permissions(dir.join("debug"), fs::Permissions::from_mode(0o700));
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn kill(note: &str) -> io::Result<()> {
    let mut words = note.split_whitespace();
    let (Some(pid), Some(start), Some(booted)) = (words.next(), words.next(), words.next()) else {
        return Ok(());
    };
    let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { return Ok(()) };
    // Opened before it is looked at: from then on the number cannot become somebody else's.
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    let same = start_time(pid.as_raw_nonzero().get()).is_some_and(|now| now.to_string() == start);
    if same && booted == boot()? {
        let _ = pidfd_send_signal(&process, Signal::KILL);
    }
    Ok(())
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// When a process started, in ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)).
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_process_that_was_noted_is_killed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id() as i32;
        let start = start_time(pid).unwrap();
        let boot = boot().unwrap();

        for other in [format!("{pid} {} {boot}", start + 1), format!("{pid} {start} other"), format!("{pid}")]
        {
            kill(&other).unwrap();
        }
        assert!(child.try_wait().unwrap().is_none(), "another process was killed");

        let folder = std::env::temp_dir().join(format!("hearth-leftovers-{pid}"));
        let dir = folder.join("i/1");
        fs::create_dir_all(&dir).unwrap();
        note(&dir, pid).unwrap();
        assert_eq!(reap(&folder).unwrap(), 1);
        assert!(!child.wait().unwrap().success());
        assert!(!dir.exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
