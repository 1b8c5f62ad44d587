//! Runs inside a jail and tries what it must not do. Reads one attempt from each line of stdin and answers each with a
//! line: `yes <what came of it>` or `no <why>`.

use std::fs;
use std::io::{self, BufRead, Write};
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

fn main() -> io::Result<()> {
    let mut stays = false;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match attempt(&words) {
            Ok(result) => println!("yes {result}"),
            Err(error) => println!("no {error}"),
        }
        io::stdout().flush()?;
        stays |= line == "stay";
    }
    if stays {
        loop {
            std::thread::park();
        }
    }
    Ok(())
}

fn attempt(words: &[&str]) -> io::Result<String> {
    let done = |()| String::new();
    Ok(match words {
        ["read", path] => fs::read_to_string(path)?.trim_end().replace('\n', " "),
        ["list", path] => {
            let mut names = fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<_>>>()?;
            names.sort();
            names.join(",")
        }
        ["write", path, text] => fs::write(path, text).map(done)?,
        ["fill", path, bytes] => {
            fs::write(path, vec![0; bytes.parse().map_err(io::Error::other)?]).map(done)?
        }
        ["link", target, path] => std::os::unix::fs::symlink(target, path).map(done)?,
        ["remove", path] => fs::remove_file(path).map(done)?,
        ["tcp", address] => TcpStream::connect(address).map(|_| String::new())?,
        ["unix", path] => UnixStream::connect(path).map(|_| String::new())?,
        ["abstract", name] => {
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(|_| String::new())?
        }
        // Whether a file system lets programs run.
        ["executable", path] => {
            let flags = rustix::fs::statvfs(*path)?.f_flag;
            match flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
                true => return Err(io::Error::other("noexec")),
                false => String::new(),
            }
        }
        // The socket stays bound while this process lives.
        ["listen", path] => {
            std::mem::forget(UnixListener::bind(path)?);
            String::new()
        }
        ["serve", address] => {
            std::mem::forget(std::net::TcpListener::bind(address)?);
            String::new()
        }
        ["hold", path] => {
            std::mem::forget(fs::File::create(path)?);
            String::new()
        }
        // It does not leave when stdin ends.
        ["stay"] => String::new(),
        ["pid"] => std::process::id().to_string(),
        ["uid"] => rustix::process::getuid().as_raw().to_string(),
        ["capabilities"] => {
            let sets = rustix::thread::capabilities(None)?;
            let bounding =
                rustix::thread::capability_is_in_bounding_set(rustix::thread::CapabilitySet::SYS_ADMIN);
            format!("{:x} {:x} {}", sets.effective.bits(), sets.permitted.bits(), bounding.unwrap_or(false))
        }
        ["privileges"] => (!rustix::thread::no_new_privs()?).to_string(),
        ["mount"] => {
            rustix::mount::mount("x", "/", "tmpfs", rustix::mount::MountFlags::empty(), None).map(done)?
        }
        ["hostname"] => rustix::system::sethostname(b"x").map(done)?,
        ["nofile"] => format!("{:?}", rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum),
        ["open", number] => fcntl(number.parse().map_err(io::Error::other)?)?,
        ["socket", family, kind] => socket(family, kind)?,
        ["signal", pid] => raw(|| {
            // SAFETY: signal 0 only asks whether it could be sent.
            unsafe { libc::kill(pid.parse().unwrap_or(1), 0) }.into()
        })?,
        ["ptrace", pid] => raw(|| {
            let pid: libc::pid_t = pid.parse().unwrap_or(1);
            // SAFETY: attaches without stopping it; the test's process goes on.
            unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0usize, 0usize) }
        })?,
        // SAFETY: this process has one thread.
        ["userns"] => raw(|| unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())?,
        // SAFETY: plain integers.
        ["outlive"] => raw(|| unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) }.into())?,
        ["fork"] => raw(|| {
            // SAFETY: the child only ends.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                // SAFETY: ends this process at once.
                unsafe { libc::_exit(0) }
            }
            pid.into()
        })?,
        ["threads", count] => {
            let count: usize = count.parse().map_err(io::Error::other)?;
            for made in 0..count {
                std::thread::Builder::new()
                    .stack_size(64 << 10)
                    .spawn(std::thread::park)
                    .map_err(|error| io::Error::other(format!("{made} threads: {error}")))?;
            }
            String::new()
        }
        ["memory", mebibytes] => {
            let size = mebibytes.parse::<usize>().map_err(io::Error::other)? << 20;
            let mut all = vec![0u8; size];
            // Each page is touched, or none would exist.
            all.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
            std::hint::black_box(&all);
            String::new()
        }
        // CPU time is wanted, for so many milliseconds of it or of waiting.
        ["spin", millis] => {
            let (start, mut turns) = (std::time::Instant::now(), 0u64);
            while start.elapsed().as_millis() < millis.parse().map_err(io::Error::other)? {
                turns += 1;
            }
            turns.to_string()
        }
        _ => return Err(io::Error::other("no such attempt")),
    })
}

fn raw(call: impl FnOnce() -> libc::c_long) -> io::Result<String> {
    match call() {
        value if value < 0 => Err(io::Error::last_os_error()),
        value => Ok(value.to_string()),
    }
}

fn fcntl(fd: i32) -> io::Result<String> {
    // SAFETY: plain integers.
    raw(|| unsafe { libc::fcntl(fd, libc::F_GETFD) }.into())
}

fn socket(family: &str, kind: &str) -> io::Result<String> {
    let family = match family {
        "inet" => libc::AF_INET,
        "packet" => libc::AF_PACKET,
        "netlink" => libc::AF_NETLINK,
        _ => libc::AF_UNIX,
    };
    let kind = if kind == "raw" { libc::SOCK_RAW } else { libc::SOCK_STREAM };
    // SAFETY: plain integers.
    raw(|| unsafe { libc::socket(family, kind, 0) }.into())
}
