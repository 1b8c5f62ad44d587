//! `hearth backup`.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use http_body_util::BodyExt;

use crate::client::Target;

/// Options of `hearth backup`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The file to write, readable by its owner only: it holds every secret and the key to them
    output: PathBuf,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  hearth backup nightly.hearth
  hearth backup /backups/hearth-$(date +%F).hearth --data-dir /var/lib/hearth
  hearth restore nightly.hearth --data-dir /var/lib/hearth-restored";

/// How many bytes pass between two signs of progress.
const PROGRESS: u64 = 16 << 20;

/// Carries out `hearth backup`: the server goes on while it is copied.
///
/// # Errors
/// What the server says, or why the file cannot be written. The file is there only when it is whole.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes = runtime.block_on(download(args))?;
    println!("{} written, {}.", args.output.display(), megabytes(bytes));
    Ok(())
}

async fn download(args: &Args) -> Result<u64> {
    let mut body = args.target.client()?.download("/installation/backup").await?;
    let unfinished = part(&args.output);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .with_context(|| format!("writing {}", unfinished.display()))?;
    let mut file = BufWriter::new(file);
    let (mut total, mut shown) = (0, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the server broke off; its log says why")?;
        if let Some(bytes) = frame.data_ref() {
            file.write_all(bytes)?;
            total += bytes.len() as u64;
        }
        if total - shown >= PROGRESS && std::io::stderr().is_terminal() {
            shown = total;
            eprint!("\r{} …", megabytes(total));
        }
    }
    file.into_inner().context("writing the last bytes")?.sync_all()?;
    std::fs::rename(&unfinished, &args.output)
        .with_context(|| format!("writing {}", args.output.display()))?;
    Ok(total)
}

/// The name of a file until it is whole.
fn part(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
