//! `hearth`: the command line, one file per subcommand, and the assembly of all crates into a server.

#![forbid(unsafe_code)]

mod access;
mod archive;
mod assemble;
mod audit;
mod backup;
mod client;
mod d1_engine;
mod deploy;
mod dev;
mod doctor;
mod egress;
mod env;
mod init;
mod inspect;
mod login;
mod openapi;
mod quotas;
mod restore;
mod runtime;
mod secrets;
mod serve;
mod settings;
mod tail;
mod targets;
mod types;
mod upkeep;
mod users;
mod vars;
mod wiring;

use clap::{Parser, Subcommand};

/// Your own Cloudflare Workers: takes what unmodified wrangler uploads and serves it.
#[derive(Parser)]
#[command(name = "hearth", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  hearth serve --dev                         A server for this machine, no token needed locally
  hearth serve --base-domain apps.corp.test  Workers at <worker>.apps.corp.test
  hearth init hello && hearth dev hello      A first worker, on this machine
  hearth doctor                              What this machine offers for isolation, and how to get the rest
  hearth egress allow 10.20.0.0/16           Let workers reach an intranet range
  hearth tail hello --status error           What a worker does, as it happens
  hearth backup nightly.hearth               Everything in one file, while the server runs";

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Args),
    /// Say what this machine offers: the jail's tier, limits, the runtime.
    Doctor(doctor::Args),
    /// Write a project to begin with.
    Init(init::Args),
    /// Deploy a project.
    Deploy(deploy::Args),
    /// Run a project on this machine, and deploy it again whenever a file changes.
    Dev(dev::Args),
    /// Write the type of a project's environment.
    Types(types::Args),
    /// Name servers, and say which one commands are for.
    Env(env::Args),
    /// Get access to a server, by a browser or a token.
    Login(login::Args),
    /// End it again.
    Logout(login::LogoutArgs),
    /// Show and change a worker's variables and secrets.
    Vars(vars::Args),
    /// Show and change who may reach a worker, and its access tokens.
    Access(access::Args),
    /// Show and change who may sign in.
    Users(users::Args),
    /// Show and change what workers may reach.
    Egress(egress::Args),
    /// Show and change what an account may have at most.
    Quotas(quotas::Args),
    /// Show who changed what.
    Audit(audit::Args),
    /// Show what a worker does, as it happens.
    Tail(tail::Args),
    /// Attach a debugger to a worker that is deployed.
    Inspect(inspect::Args),
    /// Write everything into one file, while the server runs.
    Backup(backup::Args),
    /// Make a data folder of a backup.
    Restore(restore::Args),
    /// Print the OpenAPI document of the API.
    Openapi(openapi::Args),
    /// Look after the encryption of secrets.
    Secrets(secrets::Args),
    /// What the server starts for a D1 database.
    #[command(hide = true, name = wiring::ENGINE)]
    D1Engine,
}

fn main() -> anyhow::Result<()> {
    // Not in a runtime: `serve` forks the jailer while this process still has one thread.
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Init(args) => init::run(args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Dev(args) => dev::run(args),
        Command::Types(args) => types::run(&args),
        Command::Env(args) => env::run(args),
        Command::Login(args) => login::run(args),
        Command::Logout(args) => login::run_logout(&args),
        Command::Vars(args) => vars::run(args),
        Command::Access(args) => access::run(args),
        Command::Users(args) => users::run(args),
        Command::Egress(args) => egress::run(args),
        Command::Quotas(args) => quotas::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Tail(args) => tail::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Openapi(args) => openapi::run(&args),
        Command::Secrets(args) => secrets::run(&args),
        Command::D1Engine => d1_engine::run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
