//! The file of a program, and what it needs besides itself: its loader and its libraries.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Context, Error, Program, Result, Toolchain};

/// A program's file and what it is loaded with. Paths are the host's; libraries are at the same paths inside a jail.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub program: Program,
    pub path: PathBuf,
    pub libraries: Vec<PathBuf>,
    /// Its path inside a jail.
    pub inside: PathBuf,
    /// Its environment.
    pub env: Vec<(String, String)>,
}

impl Image {
    /// Looks at the file of a program.
    pub(crate) fn examine(program: Program, path: &Path) -> Result<Self> {
        let shown = path.display();
        let invalid = |why: &str| Error::Invalid(format!("the program {shown} {why}"));
        let metadata = path.metadata().step(format!("looking at the program {shown}"))?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o005 != 0o005 {
            return Err(invalid("must be a file that anybody may read and execute (chmod o+rx)"));
        }
        let loader = loader(path).step(format!("reading the program {shown}"))?;
        let mut libraries = match &loader {
            None => Vec::new(),
            Some(loader) => loaded_with(loader, path).map_err(|why| invalid(&why))?,
        };
        libraries.extend(loader);
        libraries.sort();
        libraries.dedup();
        let name = if program == Program::Helper { "hearth" } else { "workerd" };
        let inside = Path::new("/bin").join(name);
        Ok(Self { program, path: path.to_owned(), libraries, inside, env: Vec::new() })
    }

    /// Looks at the files of a toolchain. Modules that lack a library are left as they are: they fail when they are loaded.
    pub(crate) fn of_toolchain(program: Program, toolchain: &Toolchain) -> Result<Self> {
        let env = toolchain.env.clone();
        let inside = toolchain.inside.clone();
        let Some(path) = &toolchain.path else {
            return Ok(Self { program, path: PathBuf::new(), libraries: Vec::new(), inside, env });
        };
        let mut image = Self { inside, env, ..Self::examine(program, path)? };
        if let Some(loader) = loader(path).step("reading a program")? {
            let lists = toolchain.modules.iter().filter_map(|module| loaded_with(&loader, module).ok());
            image.libraries.extend(lists.flatten());
            image.libraries.sort();
            image.libraries.dedup();
        }
        Ok(image)
    }

    /// Folders of libraries where a loader without its cache would not look, joined by colons.
    pub(crate) fn library_path(&self) -> Option<String> {
        const USUAL: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];
        let multiarch = format!("/{}-linux-gnu", std::env::consts::ARCH);
        let mut folders: Vec<String> = self
            .libraries
            .iter()
            .filter_map(|path| path.parent()?.to_str())
            .filter(|folder| !USUAL.contains(&folder.strip_suffix(&multiarch).unwrap_or(folder)))
            .map(str::to_owned)
            .collect();
        folders.dedup();
        (!folders.is_empty()).then(|| folders.join(":"))
    }
}

/// The libraries that a file is loaded with. The loader itself knows best, from caches and folders of its own.
fn loaded_with(loader: &Path, file: &Path) -> std::result::Result<Vec<PathBuf>, String> {
    let list = std::process::Command::new(loader).arg("--list").arg(file).env_clear().output();
    let list = list.map_err(|error| format!("cannot list its libraries: {error}"))?;
    if !list.status.success() {
        return Err(String::from_utf8_lossy(&list.stderr).trim().to_owned());
    }
    listed(&String::from_utf8_lossy(&list.stdout))
}

/// The libraries in what a loader printed: `name => path (address)` or `path (address)`.
fn listed(output: &str) -> std::result::Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for line in output.lines() {
        let file = line.split_once("=>").map_or(line, |(_, file)| file).trim();
        if file.starts_with("not found") {
            return Err(format!("lacks a library: {}", line.trim()));
        }
        let file = file.rsplit_once(" (").map_or(file, |(file, _)| file);
        if file.starts_with('/') {
            found.push(file.into());
        }
    }
    Ok(found)
}

/// The path in the `PT_INTERP` segment of a 64-bit ELF file; `None` for a static one.
fn loader(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut file = File::open(path)?;
    let mut header = [0; 64];
    file.read_exact(&mut header)?;
    if header[..5] != *b"\x7fELF\x02" {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a 64-bit ELF program"));
    }
    let (offset, size, count) = (word(&header, 32), half(&header, 54), half(&header, 56));
    for index in 0..u64::from(count) {
        let mut segment = [0; 56];
        file.seek(SeekFrom::Start(offset.saturating_add(index * u64::from(size))))?;
        file.read_exact(&mut segment)?;
        const PT_INTERP: [u8; 4] = 3u32.to_le_bytes();
        if segment[..4] == PT_INTERP {
            file.seek(SeekFrom::Start(word(&segment, 8)))?;
            let mut name = String::new();
            file.take(word(&segment, 32).min(4096)).read_to_string(&mut name)?;
            return Ok(Some(name.trim_end_matches('\0').into()));
        }
    }
    Ok(None)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaders_print_their_libraries_in_two_forms() {
        let glibc = "\tlinux-vdso.so.1 (0x7f)\n\tlibm.so.6 => /lib/libm.so.6 (0x7f)\n\t/lib64/ld.so (0x7f)\n";
        assert_eq!(listed(glibc).unwrap(), [Path::new("/lib/libm.so.6"), Path::new("/lib64/ld.so")]);
        assert!(listed("\tlibx.so => not found\n").is_err());
    }

    #[test]
    fn this_test_has_a_loader_and_libc() {
        let image = Image::examine(Program::Helper, &std::env::current_exe().unwrap()).unwrap();
        assert!(image.libraries.iter().any(|path| path.to_string_lossy().contains("libc")), "{image:?}");
    }
}
