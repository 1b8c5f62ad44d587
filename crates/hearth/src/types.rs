//! `hearth types`: the type of a project's environment.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use hearth_dialects::project;

use crate::deploy::config_of;

/// Options of `hearth types`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to write it, below that folder; `-` prints it
    #[arg(long, value_name = "FILE", default_value = "worker-env.d.ts")]
    output: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  hearth types
  hearth types hello --output -
The names of types are those of the npm package @cloudflare/workers-types.";

/// Carries out `hearth types`.
///
/// # Errors
/// When there is no configuration, or it needs wrangler.
pub fn run(args: &Args) -> Result<()> {
    let text = project::types(&config_of(&args.dir)?).map_err(|refusal| anyhow!(refusal))?;
    if args.output.as_os_str() == "-" {
        print!("{text}");
        return Ok(());
    }
    let file = args.dir.join(&args.output);
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))
}
