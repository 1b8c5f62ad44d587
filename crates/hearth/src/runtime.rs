//! Finds the workerd that this release is made for.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What `workerd --version` prints of the one this release is tested with; `runtime/package.json` pins the package.
pub const PINNED: &str = "workerd 2026-11-17";

/// Where npm puts the binary, from the folder with `runtime/`.
const IN_PACKAGE: &str = "runtime/node_modules/@cloudflare/workerd-linux-64/bin/workerd";

/// The binary to run: the one named, else the one inside this executable, else the one that `make setup` brought.
///
/// # Errors
/// When there is none, or it is of another version; the text says what to do.
pub fn find(named: Option<&Path>, data_dir: &Path) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => match embedded::unpack(data_dir)? {
            Some(path) => path,
            None => installed().with_context(|| {
                "workerd was not found. Run `make setup` in Hearth's checkout, or name the binary with --runtime \
                 (or HEARTH_RUNTIME). It is in the npm package `workerd`, in the version that \
                 runtime/package.json pins."
            })?,
        },
    };
    let path =
        path.canonicalize().with_context(|| format!("workerd at {} cannot be read", path.display()))?;
    check_version(&path)?;
    Ok(path)
}

/// Beside the executable, in a parent of it (a build in `target/`), or below the working directory.
fn installed() -> Option<PathBuf> {
    let executable = env::current_exe().ok();
    let beside = executable.iter().flat_map(|path| path.ancestors().skip(1));
    let here = env::current_dir().ok();
    let roots = beside.map(Path::to_owned).chain(here);
    roots.map(|root| root.join(IN_PACKAGE)).find(|path| path.is_file())
}

fn check_version(path: &Path) -> Result<()> {
    let output = Command::new(path)
        .arg("--version")
        .output()
        .with_context(|| format!("{} cannot be run", path.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if said.trim() != PINNED {
        bail!(
            "{} says it is {:?}, but this Hearth is made for {PINNED:?}. Run `make setup` to install the pinned one.",
            path.display(),
            said.trim()
        );
    }
    Ok(())
}

#[cfg(not(feature = "embedded-runtime"))]
mod embedded {
    use super::{Path, PathBuf, Result};

    /// This build carries none.
    pub fn unpack(_: &Path) -> Result<Option<PathBuf>> {
        Ok(None)
    }
}

#[cfg(feature = "embedded-runtime")]
mod embedded {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{Context, PINNED, Path, PathBuf, Result};

    static COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/workerd.zst"));

    /// Unpacks it into the data folder, once per version.
    pub fn unpack(data_dir: &Path) -> Result<Option<PathBuf>> {
        let folder = data_dir.join("runtime");
        let path = folder.join(PINNED.replace(' ', "-"));
        if !path.is_file() {
            fs::create_dir_all(&folder)?;
            let partial = folder.join(format!("unpacking-{}", std::process::id()));
            let mut file = fs::File::create(&partial)?;
            zstd::stream::copy_decode(COMPRESSED, &mut file).context("the embedded workerd is damaged")?;
            file.set_permissions(Permissions::from_mode(0o755))?;
            file.sync_all()?;
            fs::rename(&partial, &path)?;
        }
        Ok(Some(path))
    }
}
