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
use crate::config::{
    Config, Context, Error, Exit, ExitCause, Folder, Layers, Limits, Program, Result, Signal,
};
use crate::image::Image;
use crate::mounts::{self, Stage};
use crate::policy::Policy;
use crate::privileges::{self, User};
use crate::report::attempt;
use crate::spawn::{self, Plan};
use crate::usage::{Source, UsageReader};
use crate::wire::{self, Done, News, Order, Request, Spawn, Started};
use crate::{leftovers, sys};

/// The jailer.
pub(crate) struct Server {
    config: Config,
    layers: Layers,
    /// Whose the files are that nobody has lent: the process that faces the network.
    own: User,
    runtime: (Image, Policy),
    helper: (Image, Policy),
    toolchains: Vec<(Image, Policy)>,
    stage: Option<Stage>,
    cgroups: Option<Cgroups>,
    instances: BTreeMap<String, Instance>,
}

struct Instance {
    pid: Pid,
    pidfd: OwnedFd,
    slot: u32,
    dir: PathBuf,
    /// Who it is outside, where that is not the jailer's own user.
    user: Option<User>,
    /// Host folders that belong to it as long as it sees them, by their names inside.
    lent: BTreeMap<String, PathBuf>,
    /// Its limits as a process.
    rlimits: Rlimits,
}

/// Descriptors, and bytes of a file.
type Rlimits = (u64, u64);

fn rlimits(limits: &Limits) -> Rlimits {
    (limits.nofile, limits.fsize_bytes)
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
        let runtime = (Image::examine(Program::Runtime, &config.runtime)?, Policy::of(Program::Runtime)?);
        let own = || std::env::current_exe().step("finding this program's file");
        let helper = config.helper.clone().map_or_else(own, Ok)?;
        let helper = (Image::examine(Program::Helper, &helper)?, Policy::of(Program::Helper)?);
        // Processes first: they must not see their folders go.
        Cgroups::reap(&config.installation).map_err(Error::Invalid)?;
        leftovers::reap(&config.run_dir).step("removing what an earlier run left")?;
        let cgroups = if layers.cgroup {
            Some(Cgroups::new(&config.installation).map_err(Error::Invalid)?)
        } else {
            None
        };
        let mut toolchains = Vec::new();
        let stage = if layers.root {
            let stage = Stage::new(&config.run_dir, &[&runtime.0, &helper.0], layers.read_only)?;
            for toolchain in &config.toolchains {
                let Some(program) = toolchain.program.filter(|program| program.is_toolchain()) else {
                    continue;
                };
                let image = Image::of_toolchain(program, toolchain)?;
                mounts::make_toolchain_root(program, &image, toolchain, layers.read_only)
                    .step(format!("making the root of {program:?}"))?;
                toolchains.push((image, Policy::of(program)?));
            }
            Some(stage)
        } else {
            None
        };
        let own = config.user.unwrap_or_else(User::current);
        fs::create_dir_all(config.run_dir.join("i")).step("making the instances' folder")?;
        if config.user.is_some() {
            for folder in [config.run_dir.clone(), config.run_dir.join("i")] {
                mounts::own(&folder, own).step("giving the run folder to the server")?;
            }
        }
        if stage.is_none() && has_uids(layers) {
            // Instances reach their sockets by their host paths.
            use std::os::unix::fs::PermissionsExt;
            for folder in [config.run_dir.clone(), config.run_dir.join("i")] {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o711))
                    .step("opening the run folder")?;
            }
            let stranger = User { uid: config.base_uid, gid: config.base_uid };
            for path in [config.run_dir.join("i"), config.runtime.clone()] {
                attempt(|| {
                    privileges::drop_privileges(Some(stranger))?;
                    fs::metadata(&path).map(drop).step("reaching it")
                })
                .map_err(|why| {
                    let path = path.display();
                    Error::Invalid(format!(
                        "in this tier instances, each with a uid of its own, must reach {path}: let anybody walk \
                         through the folders above it (chmod o+x): {why}"
                    ))
                })?;
            }
        }
        Ok(Self {
            config,
            layers,
            own,
            runtime,
            helper,
            toolchains,
            stage,
            cgroups,
            instances: BTreeMap::new(),
        })
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
            Order::Spawn(spawn) => self.spawn(spawn, &fds).map(Done::Started),
            Order::SetLimits { id, limits } => self.set_limits(&id, &limits).map(|()| Done::Yes),
            Order::Show { id, folder } => self.show(&id, &folder).map(|()| Done::Yes),
            Order::Hide { id, name } => self.hide(&id, &name).map(|()| Done::Yes),
            Order::Kill { id, signal } => self.kill(&id, signal).map(|()| Done::Yes),
            Order::Seal { id } => self.seal(&id),
        }
    }

    /// Whom the instance in a slot becomes: somebody of its own, else what the server is; none, what the jailer is.
    fn user(&self, slot: u32) -> Option<User> {
        if has_uids(self.layers) {
            let id = self.config.base_uid.saturating_add(slot);
            return Some(User { uid: id, gid: id });
        }
        self.config.user
    }

    fn instance(&self, id: &str) -> Result<&Instance> {
        self.instances.get(id).ok_or_else(|| Error::Invalid(format!("there is no instance {id}")))
    }

    fn spawn(&mut self, order: Spawn, fds: &[OwnedFd]) -> Result<Started> {
        let Spawn { id, dir, .. } = &order;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || !id.chars().all(plain) || self.instances.contains_key(id) {
            return Err(Error::Invalid(format!("the id {id:?} is taken or not plain")));
        }
        let inside = dir.strip_prefix(&self.config.run_dir).ok();
        if inside.is_none_or(|inside| inside.components().next().is_none() || !straight(inside)) {
            return Err(Error::Invalid(format!("{} is not in the run folder", dir.display())));
        }
        if fds.len() < 3 + usize::from(order.device) + usize::from(order.loopback) {
            return Err(Error::Invalid("stdin, stdout and stderr are missing".into()));
        }
        if order.loopback && (order.device || order.program != Program::Runtime || !self.layers.network) {
            // Without a network namespace it would listen where everybody of this machine can connect.
            return Err(Error::Invalid(
                "a loopback device of its own is for the runtime in the full tier".into(),
            ));
        }
        order.folders.iter().try_for_each(check_folder)?;
        let taken: std::collections::BTreeSet<u32> =
            self.instances.values().map(|other| other.slot).collect();
        let slot = (0..).find(|slot| !taken.contains(slot)).unwrap_or_default();
        let user = self.user(slot);
        let mut lent = BTreeMap::new();
        let (pid, pidfd) = match self.start(&order, slot, user, fds, &mut lent) {
            Ok(started) => started,
            Err(error) => {
                self.clean(id, slot, dir, &lent);
                return Err(error);
            }
        };
        let raw = pid.as_raw_nonzero().get();
        let usage = match &self.cgroups {
            Some(cgroups) => cgroups.usage(id),
            None => UsageReader(Source::Process { pid: raw }),
        };
        let rlimits = rlimits(&order.limits);
        self.instances.insert(order.id, Instance { pid, pidfd, slot, dir: order.dir, user, lent, rlimits });
        Ok(Started { pid: raw, uid: user.unwrap_or_else(User::current).uid, usage })
    }

    fn start(
        &self,
        order: &Spawn,
        slot: u32,
        user: Option<User>,
        fds: &[OwnedFd],
        lent: &mut BTreeMap<String, PathBuf>,
    ) -> Result<(Pid, OwnedFd)> {
        let Spawn { id, program, dir, args, folders, limits, device, loopback } = order;
        let (image, policy) = match program {
            Program::Runtime => &self.runtime,
            Program::Helper => &self.helper,
            other => self.toolchain(*other)?,
        };
        // Seldom needed, so it is compiled when it is.
        let inspected = loopback.then(Policy::of_inspected).transpose()?;
        let policy = inspected.as_ref().unwrap_or(policy);
        let (device, loopback, fds) = match fds.split_last() {
            Some((last, others)) if *device => (Some(last), None, others),
            Some((last, others)) if *loopback => (None, Some(last), others),
            _ => (None, None, fds),
        };
        if *program != Program::Runtime {
            fs::create_dir_all(dir).step("making the instance's folder")?;
        }
        if let Some(user) = user {
            mounts::hand_over(dir, *program, user).step("handing the instance's folder over")?;
        }
        if self.stage.is_none() {
            fs::create_dir_all(dir.join("data")).step("making the data folder")?;
        }
        let entrance = match &self.cgroups {
            Some(cgroups) => Some(cgroups.create(id, limits).step("making the cgroup")?),
            None => None,
        };
        if let Some(stage) = &self.stage {
            stage.prepare(slot, dir).step("preparing the mounts")?;
        }
        folders.iter().try_for_each(|folder| self.bring(slot, dir, user, folder, lent))?;
        if let (Some(stage), Some(user)) = (&self.stage, user.filter(|user| *user != self.own))
            && device.is_some()
            && let Err(error) = stage.mapping(self.own, user)
        {
            // It waits to be shown its folders, and whoever waits for it then should not wait for this. Then the error is
            // somebody's, too.
            tracing::debug!(%error, "an instance's user cannot be mapped yet");
        }
        let plan = Plan {
            layers: self.layers,
            image,
            policy,
            slot,
            dir,
            args,
            folders,
            user,
            limits,
            entrance,
            device,
            loopback,
        };
        let started = spawn::spawn(&plan, fds)?;
        if let Some(stage) = &self.stage {
            stage.started(slot).step("taking the instance's folder off the stage")?;
        }
        leftovers::note(dir, started.0.as_raw_nonzero().get()).step("noting the process")?;
        Ok(started)
    }

    fn toolchain(&self, program: Program) -> Result<&(Image, Policy)> {
        let found = self.toolchains.iter().find(|(image, _)| image.program == program);
        found.ok_or_else(|| {
            Error::Invalid(format!("{program:?} is not there in this tier or on this machine"))
        })
    }

    fn set_limits(&mut self, id: &str, limits: &Limits) -> Result<()> {
        let instance = self.instance(id)?;
        if let Some(cgroups) = &self.cgroups {
            cgroups.limit(id, limits).step("setting the cgroup's limits")?;
        }
        // Another user's process can be given others with a privilege only that the jailer may lack.
        if self.layers.rlimits && instance.rlimits != rlimits(limits) {
            spawn::apply_rlimits(Some(instance.pid), limits).step("setting resource limits")?;
            if let Some(instance) = self.instances.get_mut(id) {
                instance.rlimits = rlimits(limits);
            }
        }
        Ok(())
    }

    fn show(&mut self, id: &str, folder: &Folder) -> Result<()> {
        check_folder(folder)?;
        if self.stage.is_none() && self.layers.landlock {
            // Its rules cannot grow.
            return Err(Error::Invalid(
                "in this tier a running instance cannot be shown another folder".into(),
            ));
        }
        let Instance { slot, dir, user, .. } = self.instance(id)?;
        let mut lent = BTreeMap::new();
        let brought = self.bring(*slot, dir, *user, folder, &mut lent);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.lent.extend(lent);
        }
        brought
    }

    /// Brings a host folder into an instance's sight. Where the instance has a uid of its own, files of Hearth's look
    /// like the instance's; where that cannot be, they are its own as long as it runs, noted in `lent`.
    fn bring(
        &self,
        slot: u32,
        dir: &Path,
        user: Option<User>,
        folder: &Folder,
        lent: &mut BTreeMap<String, PathBuf>,
    ) -> Result<()> {
        let other = user.filter(|user| *user != self.own);
        let mut lend = || match other {
            Some(other) => {
                lent.insert(folder.name.clone(), folder.host.clone());
                mounts::own_all(&folder.host, other).step("changing the folder's owner")
            }
            None => Ok(()),
        };
        let Some(stage) = &self.stage else {
            lend()?;
            let link = dir.join("data").join(&folder.name);
            return std::os::unix::fs::symlink(&folder.host, link).step("showing a folder");
        };
        let owners = other.map(|other| (self.own, other));
        match stage.show(slot, folder, owners) {
            // A file system that cannot map owners.
            Err(error) if owners.is_some() && error.raw_os_error() == Some(libc::EINVAL) => {
                lend()?;
                stage.show(slot, folder, None)
            }
            other => other,
        }
        .step("showing a folder")
    }

    fn hide(&mut self, id: &str, name: &str) -> Result<()> {
        let instance = self.instance(id)?;
        check_name(name)?;
        match &self.stage {
            Some(stage) => stage.hide(instance.slot, name),
            None => fs::remove_file(instance.dir.join("data").join(name)),
        }
        .step("hiding a folder")?;
        match self.instances.get_mut(id).and_then(|instance| instance.lent.remove(name)) {
            Some(host) => mounts::own_all(&host, self.own).step("taking the folder back"),
            None => Ok(()),
        }
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
        match &self.stage {
            _ if !self.layers.seal => {}
            Some(stage) => stage.seal(instance.pid.as_raw_nonzero().get()).step("sealing debug/")?,
            None => {
                use std::os::unix::fs::PermissionsExt;
                let debug = instance.dir.join("debug");
                mounts::own(&debug, self.own).step("sealing debug/")?;
                fs::set_permissions(&debug, fs::Permissions::from_mode(0o555)).step("sealing debug/")?;
            }
        }
        mounts::take_socket(&instance.dir, self.own).map(|()| Done::Yes)
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
        self.clean(id, instance.slot, &instance.dir, &instance.lent);
        Some(Exit { id: id.to_owned(), cause, oom })
    }

    fn clean(&self, id: &str, slot: u32, dir: &Path, lent: &BTreeMap<String, PathBuf>) {
        for folder in lent.values() {
            if let Err(error) = mounts::own_all(folder, self.own) {
                tracing::warn!(%error, id, folder = %folder.display(), "a folder keeps the uid of an instance that is gone");
            }
        }
        if let Some(cgroups) = &self.cgroups
            && let Err(error) = cgroups.remove(id)
        {
            tracing::warn!(%error, id, "a cgroup stays until the next start");
        }
        if let Some(stage) = &self.stage {
            stage.clear(slot);
        }
        if let Err(error) = leftovers::remove(dir) {
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
            self.clean(&id, instance.slot, &instance.dir, &instance.lent);
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

fn check_folder(folder: &Folder) -> Result<()> {
    if !folder.host.is_absolute() || !folder.host.is_dir() {
        return Err(Error::Invalid(format!("{} is no folder", folder.host.display())));
    }
    check_name(&folder.name)
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
