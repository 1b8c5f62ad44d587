//! `hearth restore`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::archive;

/// Options of `hearth restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hearth restore nightly.hearth --data-dir /var/lib/hearth")]
pub struct Args {
    /// What `hearth backup` wrote
    archive: PathBuf,
    /// The data folder to make; it must not exist yet
    #[arg(long, value_name = "DIR", default_value = "data", env = "HEARTH_DATA_DIR")]
    data_dir: PathBuf,
}

/// Carries out `hearth restore`.
///
/// # Errors
/// When the archive is broken or the folder exists; nothing is left then.
pub fn run(args: &Args) -> Result<()> {
    let file = File::open(&args.archive).with_context(|| format!("opening {}", args.archive.display()))?;
    let manifest = archive::unpack(BufReader::new(file), &args.data_dir)?;
    println!("{} is as it was at {}.", args.data_dir.display(), manifest.created_on);
    println!("Start it with: hearth serve --data-dir {}", args.data_dir.display());
    Ok(())
}
