//! The jailer process: one thread that does one thing after the other. It must stay one thread, since the instances'
//! lives are bound to the thread that started them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::cgroup::Cgroups;
use crate::config::{Config, Context, Error, Exit, ExitCause, Layers, Limits, Result, Signal};
use crate::mounts::{self, Stage};
use crate::policy::Policy;
use crate::runtime::Program;
use crate::spawn::{self, Plan};
use crate::usage::{Source, UsageReader};
use crate::wire::{self, Done, News, Order, Request, Started};
use crate::{leftovers, sys};

/// The jailer.
pub(crate) struct Server {
    config: Config,
    layers: Layers,
    program: Program,
    policy: Policy,
    stage: Option<Stage>,
    cgroups: Option<Cgroups>,
    instances: BTreeMap<String, Instance>,
}

struct Instance {
    pid: Pid,
    pidfd: OwnedFd,
    slot: u32,
    dir: PathBuf,
    /// Outside uid, where it differs from the jailer's.
    uid: Option<u32>,
}

/// Runs the jailer in the calling process until `socket` closes.
pub(crate) fn run(config: Config, layers: Layers, socket: OwnedFd) -> ! {
    let ready = Server::new(config, layers);
    let told = ready.as_ref().map(drop).map_err(ToString::to_string);
    if wire::send(&socket, &News::Ready(told), &[]).is_err() {
        sys::exit_now(1);
    }
    let Ok(mut server) = ready else { sys::exit_now(1) };
    let result = server.serve(&socket);
    server.end();
    if let Err(error) = result {
        tracing::error!(%error, "the jailer fails");
        sys::exit_now(1);
    }
    sys::exit_now(0)
}

impl Server {
    fn new(config: Config, layers: Layers) -> Result<Self> {
        let program = Program::examine(&config.runtime)?;
        let policy = Policy::workerd()?;
        // Processes first: they must not see their folders go.
        Cgroups::reap(&config.installation).map_err(Error::Invalid)?;
        leftovers::reap(&config.run_dir).step("removing what an earlier run left")?;
        let cgroups = if layers.cgroup {
            Some(Cgroups::new(&config.installation).map_err(Error::Invalid)?)
        } else {
            None
        };
        let stage = if layers.root { Some(Stage::new(&config.run_dir, &program)?) } else { None };
        if stage.is_none() && has_uids(layers) {
            // Instances reach their sockets by their host paths.
            use std::os::unix::fs::PermissionsExt;
            fs::create_dir_all(config.run_dir.join("i")).step("making the instances' folder")?;
            for folder in [config.run_dir.clone(), config.run_dir.join("i")] {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))
                    .step("opening the run folder")?;
            }
        }
        Ok(Self { config, layers, program, policy, stage, cgroups, instances: BTreeMap::new() })
    }

    fn serve(&mut self, socket: &OwnedFd) -> io::Result<()> {
        loop {
            let (asked, ended) = {
                let mut waiting: Vec<_> = [socket]
                    .into_iter()
                    .chain(self.instances.values().map(|instance| &instance.pidfd))
                    .map(|fd| PollFd::new(fd, PollFlags::IN))
                    .collect();
                match poll(&mut waiting, None) {
                    Err(rustix::io::Errno::INTR) => continue,
                    other => other?,
                };
                let ended = waiting[1..].iter().zip(self.instances.keys());
                let ended = ended.filter(|(fd, _)| !fd.revents().is_empty()).map(|(_, id)| id.clone());
                (!waiting[0].revents().is_empty(), ended.collect::<Vec<_>>())
            };
            for id in ended {
                if let Some(exit) = self.bury(&id) {
                    wire::send(socket, &News::Exit(exit), &[])?;
                }
            }
            if asked {
                let Some((Request { number, order }, fds)) = wire::receive(socket)? else { return Ok(()) };
                let result = self.obey(order, fds).map_err(|error| error.to_string());
                wire::send(socket, &News::Answer { number, result }, &[])?;
            }
        }
    }

    fn obey(&mut self, order: Order, fds: Vec<OwnedFd>) -> Result<Done> {
        match order {
            Order::Spawn { id, dir, args, limits } => {
                self.spawn(id, dir, &args, &limits, &fds).map(Done::Started)
            }
            Order::SetLimits { id, limits } => self.set_limits(&id, &limits).map(|()| Done::Yes),
            Order::Show { id, host, name, writable } => {
                self.show(&id, &host, &name, writable).map(|()| Done::Yes)
            }
            Order::Hide { id, name } => self.hide(&id, &name).map(|()| Done::Yes),
            Order::Kill { id, signal } => self.kill(&id, signal).map(|()| Done::Yes),
            Order::Seal { id } => self.seal(&id),
        }
    }

    fn instance(&self, id: &str) -> Result<&Instance> {
        self.instances.get(id).ok_or_else(|| Error::Invalid(format!("there is no instance {id}")))
    }

    fn spawn(
        &mut self,
        id: String,
        dir: PathBuf,
        args: &[String],
        limits: &Limits,
        fds: &[OwnedFd],
    ) -> Result<Started> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || !id.chars().all(plain) || self.instances.contains_key(&id) {
            return Err(Error::Invalid(format!("the id {id:?} is taken or not plain")));
        }
        let inside = dir.strip_prefix(&self.config.run_dir).ok();
        if inside.is_none_or(|inside| inside.components().next().is_none() || !straight(inside)) {
            return Err(Error::Invalid(format!("{} is not in the run folder", dir.display())));
        }
        if fds.len() < 3 {
            return Err(Error::Invalid("stdin, stdout and stderr are missing".into()));
        }
        let taken: std::collections::BTreeSet<u32> =
            self.instances.values().map(|other| other.slot).collect();
        let slot = (0..).find(|slot| !taken.contains(slot)).unwrap_or_default();
        let uid = has_uids(self.layers).then(|| self.config.base_uid.saturating_add(slot));
        let started = self.start(&id, slot, uid, &dir, args, limits, fds);
        let (pid, pidfd) = match started {
            Ok(started) => started,
            Err(error) => {
                self.clean(&id, slot, &dir);
                return Err(error);
            }
        };
        let raw = pid.as_raw_nonzero().get();
        let usage = match &self.cgroups {
            Some(cgroups) => cgroups.usage(&id),
            None => UsageReader(Source::Process { pid: raw }),
        };
        let own = uid.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        self.instances.insert(id, Instance { pid, pidfd, slot, dir, uid });
        Ok(Started { pid: raw, uid: own, usage })
    }

    #[expect(clippy::too_many_arguments, reason = "each is one of the command's own fields")]
    fn start(
        &self,
        id: &str,
        slot: u32,
        uid: Option<u32>,
        dir: &Path,
        args: &[String],
        limits: &Limits,
        fds: &[OwnedFd],
    ) -> Result<(Pid, OwnedFd)> {
        if let Some(uid) = uid {
            mounts::hand_over(dir, uid).step("handing the instance's folder over")?;
        }
        if self.layers.landlock {
            fs::create_dir_all(dir.join("data")).step("making the data folder")?;
        }
        let entrance = match &self.cgroups {
            Some(cgroups) => Some(cgroups.create(id, limits).step("making the cgroup")?),
            None => None,
        };
        if let Some(stage) = &self.stage {
            stage.prepare(slot, dir).step("preparing the mounts")?;
        }
        let plan = Plan {
            layers: self.layers,
            program: &self.program,
            policy: &self.policy,
            slot,
            dir,
            args,
            uid,
            limits,
            entrance,
        };
        let started = spawn::spawn(&plan, fds)?;
        if let Some(stage) = &self.stage {
            stage.started(slot).step("taking the instance's folder off the stage")?;
        }
        leftovers::note(dir, started.0.as_raw_nonzero().get()).step("noting the process")?;
        Ok(started)
    }

    fn set_limits(&self, id: &str, limits: &Limits) -> Result<()> {
        let instance = self.instance(id)?;
        if let Some(cgroups) = &self.cgroups {
            cgroups.limit(id, limits).step("setting the cgroup's limits")?;
        }
        if self.layers.rlimits {
            spawn::apply_rlimits(Some(instance.pid), limits).step("setting resource limits")?;
        }
        Ok(())
    }

    fn show(&self, id: &str, host: &Path, name: &str, writable: bool) -> Result<()> {
        let instance = self.instance(id)?;
        check_name(name)?;
        if !host.is_absolute() || !host.is_dir() {
            return Err(Error::Invalid(format!("{} is no folder", host.display())));
        }
        let Some(stage) = &self.stage else { return self.link(instance, host, name) };
        let pid = instance.pid.as_raw_nonzero().get();
        let owners = instance.uid.map(|_| pid);
        match stage.show(instance.slot, host, name, writable, owners) {
            // A file system that cannot map owners: the files have to change theirs.
            Err(error) if instance.uid.is_some() && error.raw_os_error() == Some(libc::EINVAL) => {
                if let Some(uid) = instance.uid.filter(|_| writable) {
                    mounts::own_all(host, uid).step("changing the folder's owner")?;
                }
                stage.show(instance.slot, host, name, writable, None)
            }
            other => other,
        }
        .step("showing a folder")
    }

    /// Without a root of its own an instance finds the folder by a link. Landlock's rules cannot grow.
    fn link(&self, instance: &Instance, host: &Path, name: &str) -> Result<()> {
        if self.layers.landlock {
            return Err(Error::Invalid(
                "in this tier a running instance cannot be shown another folder".into(),
            ));
        }
        if let Some(uid) = instance.uid {
            mounts::own_all(host, uid).step("changing the folder's owner")?;
        }
        fs::create_dir_all(instance.dir.join("data")).step("making the data folder")?;
        std::os::unix::fs::symlink(host, instance.dir.join("data").join(name)).step("showing a folder")
    }

    fn hide(&self, id: &str, name: &str) -> Result<()> {
        let instance = self.instance(id)?;
        check_name(name)?;
        match &self.stage {
            Some(stage) => stage.hide(instance.slot, name),
            None => fs::remove_file(instance.dir.join("data").join(name)),
        }
        .step("hiding a folder")
    }

    fn kill(&self, id: &str, signal: Signal) -> Result<()> {
        let signal = match signal {
            Signal::Terminate => rustix::process::Signal::TERM,
            Signal::Kill => rustix::process::Signal::KILL,
        };
        match pidfd_send_signal(&self.instance(id)?.pidfd, signal) {
            // It has just ended by itself, and its exit is on the way.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            other => other.step("sending a signal"),
        }
    }

    fn seal(&self, id: &str) -> Result<Done> {
        let instance = self.instance(id)?;
        // Whatever it is; it is looked at when it can no longer change.
        if fs::symlink_metadata(instance.dir.join("debug/debug.sock")).is_err() {
            return Ok(Done::NotYet);
        }
        let own = rustix::process::geteuid().as_raw();
        match &self.stage {
            Some(stage) => stage.seal(instance.pid.as_raw_nonzero().get()).step("sealing debug/")?,
            None => {
                use std::os::unix::fs::PermissionsExt;
                let debug = instance.dir.join("debug");
                mounts::own(&debug, own).step("sealing debug/")?;
                fs::set_permissions(&debug, fs::Permissions::from_mode(0o555)).step("sealing debug/")?;
            }
        }
        mounts::take_socket(&instance.dir, own).map(|()| Done::Yes)
    }

    /// Takes the end of an instance in and removes what it had.
    fn bury(&mut self, id: &str) -> Option<Exit> {
        let instance = self.instances.get(id)?;
        let status =
            waitid(WaitId::PidFd(instance.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        let status = match status {
            Ok(None) => return None,
            Ok(Some(status)) => Some(status),
            Err(error) => {
                tracing::error!(%error, id, "the end of an instance cannot be read");
                None
            }
        };
        let instance = self.instances.remove(id)?;
        let signal = status.as_ref().and_then(|status| status.terminating_signal());
        let code = status.as_ref().and_then(|status| status.exit_status());
        let cause = match (code, signal) {
            (Some(code), _) => ExitCause::Exited(code),
            (None, signal) => ExitCause::Signaled(signal.unwrap_or(libc::SIGKILL)),
        };
        let oom = self.cgroups.as_ref().is_some_and(|cgroups| cgroups.oom(id));
        self.clean(id, instance.slot, &instance.dir);
        Some(Exit { id: id.to_owned(), cause, oom })
    }

    fn clean(&self, id: &str, slot: u32, dir: &Path) {
        if let Some(cgroups) = &self.cgroups
            && let Err(error) = cgroups.remove(id)
        {
            tracing::warn!(%error, id, "a cgroup stays until the next start");
        }
        if let Some(stage) = &self.stage {
            stage.clear(slot);
        }
        if let Err(error) = fs::remove_dir_all(dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, id, "an instance's folder stays until the next start");
        }
    }

    /// Hearth is gone: so is everything.
    fn end(&mut self) {
        for instance in self.instances.values() {
            let _ = pidfd_send_signal(&instance.pidfd, rustix::process::Signal::KILL);
        }
        for (id, instance) in std::mem::take(&mut self.instances) {
            let _ = waitid(WaitId::PidFd(instance.pidfd.as_fd()), WaitIdOptions::EXITED);
            self.clean(&id, instance.slot, &instance.dir);
        }
        if let Some(cgroups) = &self.cgroups {
            cgroups.dissolve();
        }
    }
}

/// Whether instances get uids of their own.
fn has_uids(layers: Layers) -> bool {
    layers.uid && rustix::process::geteuid().is_root()
}

fn check_name(name: &str) -> Result<()> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(_)), None) => Ok(()),
        _ => Err(Error::Invalid(format!("{name:?} is no folder's name"))),
    }
}

fn straight(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}
