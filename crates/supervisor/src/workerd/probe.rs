//! A deploy's probe: what is put around an upload so that it tells what it exports, and how its refusal reads.

use hearth_model::Format;

use super::config::Entry;

const MODULES: &str = include_str!("../../../../runtime/probe/modules.js");
const SERVICE_WORKER: &str = include_str!("../../../../runtime/probe/service-worker.js");

/// The entry that replaces the upload's own. For a service worker it is wrapped around the script.
pub(crate) fn entry(format: &Format) -> (&'static str, String) {
    match format {
        Format::Modules { main } => {
            let specifier = serde_json::Value::from(format!("./{main}")).to_string();
            ("hearth-probe.js", MODULES.replace("\"hearth:main\"", &specifier))
        }
        Format::ServiceWorker { .. } | Format::Function(_) | Format::Assets => {
            ("", SERVICE_WORKER.to_owned())
        }
    }
}

/// The entry as the configuration takes it.
pub(crate) fn as_entry<'a>(name: &'a str, source: &'a str) -> Entry<'a> {
    Entry { name, source }
}

/// workerd's complaint in the form of Cloudflare's: without the names of our services, without what is not the
/// worker's. What is left begins with `Uncaught …` and has the stack's lines below (workerd.md 6.1).
pub(crate) fn complaint(errors: &str) -> String {
    let lines = errors.lines().filter_map(|line| {
        let line = line.strip_prefix("service main: ").unwrap_or(line);
        let ours = line.contains("hearth-probe.js") || line.trim().is_empty();
        (!ours).then_some(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_speaks_of_the_worker_only() {
        let errors = "service main: Uncaught Error: boom\n  at index.js:1:7\n  at hearth-probe.js:4:1\n";
        assert_eq!(complaint(errors), "Uncaught Error: boom\n  at index.js:1:7");
    }

    #[test]
    fn the_specifier_cannot_end_its_string() {
        let (_, source) = entry(&Format::Modules { main: "a\";evil()//.js".into() });
        assert!(source.contains(r#"from "./a\";evil()//.js""#), "{source}");
    }
}
