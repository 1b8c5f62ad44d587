//! `hearth init`: a project to begin with.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use hearth_dialects::templates::{ALL, Template};
use hearth_model::WorkerName;
use serde_json::{Value, json};

/// What a project's folder holds beside its own files: what is installed, what wrangler and `hearth dev` keep there, and
/// secrets for development.
const IGNORED: (&str, &str) = (".gitignore", "node_modules/\n.wrangler/\n.hearth/\n.dev.vars*\n.env*\n");

/// Options of `hearth init`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The worker's name; its folder is called the same
    #[arg(required_unless_present = "list")]
    name: Option<WorkerName>,
    /// What to begin with
    #[arg(long, value_name = "ID", default_value = "hello-world")]
    template: String,
    /// Where to put it [default: a folder of the worker's name]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Show the templates
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long, requires = "list")]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  hearth init --list
  hearth init hello
  hearth init jobs --template queue-consumer";

/// Carries out `hearth init`.
///
/// # Errors
/// When there is no such template, or the folder is there already and holds something.
pub fn run(args: Args) -> Result<()> {
    let Some(name) = args.name.filter(|_| !args.list) else {
        list(args.json);
        return Ok(());
    };
    let Some(template) = Template::find(&args.template) else {
        bail!("there is no template `{}`; `hearth init --list` shows those that there are", args.template);
    };
    let folder = args.dir.unwrap_or_else(|| PathBuf::from(name.as_str()));
    if std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is there already and is not empty", folder.display());
    }
    let ignored = [(IGNORED.0, IGNORED.1.to_owned())];
    for (path, text) in template.files(name.as_str()).into_iter().chain(ignored) {
        let file = folder.join(path);
        let write = || {
            std::fs::create_dir_all(file.parent().unwrap_or(&folder))?;
            std::fs::write(&file, text)
        };
        write().with_context(|| format!("{} cannot be written", file.display()))?;
    }
    println!(
        "{} is a {} in {}. Deploy it: hearth deploy {}",
        name,
        template.title,
        folder.display(),
        folder.display()
    );
    Ok(())
}

fn list(as_json: bool) {
    if as_json {
        let view = |one: &Template| json!({"id": one.id, "title": one.title, "description": one.description});
        println!("{:#}", ALL.iter().map(view).collect::<Value>());
        return;
    }
    for template in &ALL {
        println!("{:<16} {}", template.id, template.description);
    }
}
