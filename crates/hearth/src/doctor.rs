//! `hearth doctor`: what this machine offers, and how to get the rest.

use std::path::PathBuf;

use anyhow::Result;
use hearth_functions::{Places, Toolchains};
use hearth_jail::{Finding, Tier};
use hearth_model::FunctionRuntime;

use crate::runtime;

/// Options of `hearth doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hearth doctor\n  hearth doctor --json | jq .tier")]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The workerd binary to look at
    #[arg(long, value_name = "PATH", env = "HEARTH_RUNTIME")]
    runtime: Option<PathBuf>,
    /// The data folder, where an embedded runtime is unpacked to
    #[arg(long, value_name = "DIR", default_value = "data", env = "HEARTH_DATA_DIR")]
    data_dir: PathBuf,
}

/// Examines the machine and prints what was found.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &Args) -> Result<()> {
    let report = hearth_jail::examine();
    let runtime = runtime::find(args.runtime.as_deref(), &args.data_dir);
    let mut findings = report.findings;
    findings.push(match runtime {
        Ok(path) => Finding {
            name: "runtime",
            ok: true,
            detail: format!("{} at {}", runtime::PINNED, path.display()),
            remedy: String::new(),
        },
        Err(error) => Finding {
            name: "runtime",
            ok: false,
            detail: error.root_cause().to_string(),
            remedy: error.to_string(),
        },
    });
    let toolchains = Toolchains::find(&Places::default());
    for found in toolchains.findings {
        let name = match found.runtime {
            FunctionRuntime::Nodejs => "functions: nodejs",
            FunctionRuntime::Python => "functions: python",
            FunctionRuntime::Go => "functions: go",
        };
        findings.push(match found.found {
            Ok(detail) => Finding { name, ok: true, detail, remedy: String::new() },
            Err(remedy) => Finding { name, ok: false, detail: "not available".to_owned(), remedy },
        });
    }
    let name = "functions: typescript";
    findings.push(match toolchains.typescript {
        Ok(detail) => Finding { name, ok: true, detail, remedy: String::new() },
        Err(remedy) => Finding { name, ok: false, detail: "not available".to_owned(), remedy },
    });
    if report.tier != Tier::Full {
        findings.push(Finding {
            name: "functions",
            ok: false,
            detail: format!("refused in the tier {}", report.tier),
            remedy:
                "Functions need the tier full: a root and a network of their own. See above what is missing."
                    .to_owned(),
        });
    }
    if args.json {
        let list: Vec<_> = findings
            .iter()
            .map(
                |f| serde_json::json!({ "name": f.name, "ok": f.ok, "detail": f.detail, "remedy": f.remedy }),
            )
            .collect();
        println!("{:#}", serde_json::json!({ "tier": report.tier.to_string(), "findings": list }));
        return Ok(());
    }
    println!("Isolation tier: {}\n  {}\n", report.tier, report.tier.guarantees());
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    for finding in &findings {
        let mark = if finding.ok { "ok " } else { "no " };
        println!("  {mark} {:width$}  {}", finding.name, finding.detail);
        if !finding.ok && !finding.remedy.is_empty() {
            println!("      {:width$}  -> {}", "", finding.remedy);
        }
    }
    Ok(())
}
