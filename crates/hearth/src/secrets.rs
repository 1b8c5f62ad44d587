//! `hearth secrets`: the encryption of secrets at rest.

use std::path::PathBuf;

use anyhow::Result;
use hearth_store::Store;

/// Options of `hearth secrets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hearth secrets rotate --data-dir /var/lib/hearth")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a new master key and encrypt every secret with it. The server must be stopped.
    Rotate {
        /// The data folder
        #[arg(long, value_name = "DIR", default_value = "data", env = "HEARTH_DATA_DIR")]
        data_dir: PathBuf,
    },
}

/// Carries out `hearth secrets …`.
///
/// # Errors
/// When the data folder is in use or damaged.
pub fn run(args: &Args) -> Result<()> {
    let Action::Rotate { data_dir } = &args.action;
    // What root wrote the server could not read.
    hearth_jail::become_owner(data_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let store = Store::open(data_dir).await?;
        let count = store.rotate_secrets().await?;
        store.close().await;
        println!("{count} secrets are encrypted with a new key.");
        Ok(())
    })
}
