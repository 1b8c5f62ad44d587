//! `hearth doctor`: what this machine offers, and how to get the rest.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hearth_functions::{Places, Toolchains};
use hearth_jail::{Finding, Report, Tier};
use hearth_model::FunctionRuntime;
use serde_json::{Value, json};

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

/// Everything that was looked at: how isolated workers are, and what there is to run them.
#[derive(Debug, Clone)]
pub struct Examination {
    /// The isolation that there is.
    pub tier: Tier,
    /// In the order in which they are shown.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// Joins what each part found. `runtime` is where workerd is; a data folder that is not there yet is not looked at.
    pub fn new(
        report: Report,
        runtime: Result<&Path, &anyhow::Error>,
        toolchains: &Toolchains,
        data_dir: &Path,
    ) -> Self {
        let tier = report.tier;
        let mut findings = report.findings;
        findings.push(match runtime {
            Ok(path) => found("runtime", format!("{} at {}", runtime::PINNED, path.display())),
            Err(error) => missing("runtime", error.root_cause().to_string(), error.to_string()),
        });
        findings.extend(std::fs::metadata(data_dir).ok().map(|folder| private(data_dir, folder.mode())));
        for of in &toolchains.findings {
            let name = match of.runtime {
                FunctionRuntime::Nodejs => "functions: nodejs",
                FunctionRuntime::Python => "functions: python",
                FunctionRuntime::Go => "functions: go",
            };
            findings.push(toolchain(name, &of.found));
        }
        findings.push(toolchain("functions: typescript", &toolchains.typescript));
        if tier != Tier::Full {
            findings.push(missing(
                "functions",
                format!("refused in the tier {tier}"),
                "Functions need the tier full: a root and a network of their own. See above what is missing."
                    .to_owned(),
            ));
        }
        Self { tier, findings }
    }

    /// As `--json` and the API show them.
    pub fn listed(&self) -> Vec<Value> {
        let shown =
            |f: &Finding| json!({ "name": f.name, "ok": f.ok, "detail": f.detail, "remedy": f.remedy });
        self.findings.iter().map(shown).collect()
    }
}

fn found(name: &'static str, detail: String) -> Finding {
    Finding { name, ok: true, detail, remedy: String::new() }
}

fn missing(name: &'static str, detail: String, remedy: String) -> Finding {
    Finding { name, ok: false, detail, remedy }
}

/// Whether other users of the machine are kept out of the data folder. They may walk through it, as workers' processes do
/// where they have no root of their own.
fn private(folder: &Path, mode: u32) -> Finding {
    const NAME: &str = "data folder";
    if mode & 0o006 == 0 {
        return found(NAME, format!("{} is closed to other users of this machine", folder.display()));
    }
    let remedy = format!("`chmod o-rw {}` closes it; Hearth makes new ones so.", folder.display());
    missing(NAME, "other users of this machine can look into it".to_owned(), remedy)
}

fn toolchain(name: &'static str, of: &Result<String, String>) -> Finding {
    match of {
        Ok(detail) => found(name, detail.clone()),
        Err(remedy) => missing(name, "not available".to_owned(), remedy.clone()),
    }
}

/// Examines the machine and prints what was found.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let report = hearth_jail::examine();
    let runtime = runtime::find(args.runtime.as_deref(), &args.data_dir);
    let toolchains = Toolchains::find(&Places::default());
    let examined = Examination::new(report, runtime.as_deref(), &toolchains, &args.data_dir);
    if args.json {
        println!("{:#}", json!({ "tier": examined.tier.to_string(), "findings": examined.listed() }));
        return Ok(());
    }
    println!("Isolation tier: {}\n  {}\n", examined.tier, examined.tier.guarantees());
    let width = examined.findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    for finding in &examined.findings {
        let mark = if finding.ok { "ok " } else { "no " };
        println!("  {mark} {:width$}  {}", finding.name, finding.detail);
        if !finding.ok && !finding.remedy.is_empty() {
            println!("      {:width$}  -> {}", "", finding.remedy);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_says_how_to_get_it() {
        let none = || Some(PathBuf::from("/nonexistent"));
        let places = Places { node: none(), python: none(), go: none(), amaro: none(), ..Places::default() };
        let toolchains = Toolchains::find(&places);
        let report = Report { tier: Tier::Reduced, findings: Vec::new() };
        let why = anyhow::anyhow!("No such file").context("Run `make setup`.");
        let examined = Examination::new(report, Err(&why), &toolchains, Path::new("/nonexistent"));
        let listed = examined.listed();
        let told = |name: &str| listed.iter().find(|finding| finding["name"] == name).cloned().unwrap();
        assert_eq!(told("runtime")["remedy"], "Run `make setup`.");
        assert_eq!(told("runtime")["detail"], "No such file");
        assert!(told("functions: go")["remedy"].as_str().unwrap().contains("/nonexistent"));
        assert_eq!(told("functions")["ok"], false);
        assert!(!listed.iter().any(|finding| finding["name"] == "data folder"));
    }

    #[test]
    fn a_data_folder_that_others_can_read_is_told() {
        let folder = Path::new("/var/lib/hearth");
        assert!(private(folder, 0o40711).ok);
        let open = private(folder, 0o40755);
        assert!(!open.ok && open.remedy.contains("chmod o-rw /var/lib/hearth"), "{open:?}");
    }
}
