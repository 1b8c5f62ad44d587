//! From the code that is sent to modules, and back. Pure.

use std::sync::LazyLock;

use bytes::Bytes;
use hearth_api::ApiError;
use hearth_model::{Format, Module, ModuleKind};
use regex::Regex;

use crate::fields::bad;

/// Ours: it calls the handler.
const ENTRY: &str = include_str!("../../../../runtime/nexo/entry.js");

/// The entry's name.
const ENTRY_FILE: &str = "nexo.js";

/// The sent code's file, as stacks show it.
pub(super) const FILE: &str = "function.js";

/// What makes the handler of plain code visible to the entry. It is behind the code, so that its lines keep their numbers.
const EXPORT: &str = "\nexport { handler };\n";

/// The modules of a function.
pub(super) fn modules(code: &str) -> (Format, Vec<(String, ModuleKind, Bytes)>) {
    let own = if has_exports(code) { code.to_owned() } else { format!("{code}{EXPORT}") };
    let module = |name: &str, text: String| (name.to_owned(), ModuleKind::EsModule, Bytes::from(text));
    let modules = vec![module(ENTRY_FILE, ENTRY.to_owned()), module(FILE, own)];
    (Format::Modules { main: ENTRY_FILE.to_owned() }, modules)
}

/// The module that holds the sent code.
pub(super) fn module_of(modules: &[Module]) -> Option<&Module> {
    modules.iter().find(|module| module.name == FILE)
}

/// The code as it was sent.
pub(super) fn sent(module: &str) -> &str {
    module.strip_suffix(EXPORT).unwrap_or(module)
}

fn has_exports(code: &str) -> bool {
    static WORD: LazyLock<Regex> = LazyLock::new(|| {
        let what = r"default\b|\{|async\b|function\b|const\b|let\b|var\b|class\b";
        Regex::new(&format!(r"(?m)(^|[;}}\s])export\s*({what})")).expect("a valid expression")
    });
    WORD.is_match(code)
}

/// What the runtime says of the code, in the words of this dialect.
pub(super) fn explain(error: ApiError) -> ApiError {
    let missing = error.message().contains("Export 'handler' is not defined");
    if missing { bad("`code` defines no function named `handler`.") } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_code_gets_its_export_and_shows_none() {
        let code = "function handler(request) { return { message: \"Hello!\" }; }";
        let (_, all) = modules(code);
        let text = std::str::from_utf8(&all[1].2).unwrap();
        assert!(text.starts_with(code) && text.contains("export { handler }"));
        assert_eq!(sent(text), code);
    }

    #[test]
    fn code_that_exports_stays_as_it_is() {
        for code in [
            "export function handler() {}",
            "export default () => 1",
            "const handler = () => 1;\nexport { handler };",
            "export async function handler() {}",
        ] {
            let (_, all) = modules(code);
            assert_eq!(all[1].2, code.as_bytes(), "{code}");
        }
        assert!(!has_exports("const exporter = 1; // to export"));
    }
}
