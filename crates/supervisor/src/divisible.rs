//! Whether a worker's code can run in processes that do not have its storage.
//!
//! There a binding leads to the objects all the same, and `ctx.exports.<Class>` does not: it is a class there, where it is
//! a namespace in the process with the objects. A version that may use it so runs in one process.

use hearth_model::{Launch, ModuleKind};

/// Of a worker with storage, and not of code that reads `ctx.exports`, as far as its text shows.
pub(crate) fn is_divisible(launch: &Launch) -> bool {
    let scripts = launch
        .modules
        .iter()
        .filter(|module| matches!(module.kind, ModuleKind::EsModule | ModuleKind::CommonJs))
        .map(|module| String::from_utf8_lossy(&module.content));
    let classes: Vec<&str> = launch.objects.iter().map(|namespace| namespace.class.as_str()).collect();
    launch.has_storage() && !scripts.into_iter().any(|script| reads_exports(&script, &classes))
}

/// The context is named as its owner likes, and short once it has been minified; `exports` and the class's name stay.
fn reads_exports(script: &str, classes: &[&str]) -> bool {
    let of_context = ["ctx.exports", "Ctx.exports", "context.exports", "Context.exports"];
    if of_context.iter().any(|text| script.contains(text)) {
        return true;
    }
    let of_class = |class: &&str| {
        [format!("exports.{class}"), format!("exports?.{class}"), format!("exports[\"{class}\"]")]
            .iter()
            .any(|text| script.contains(text))
    };
    classes.iter().any(of_class) || imports_exports(script)
}

/// `import { exports } from "cloudflare:workers"`.
fn imports_exports(script: &str) -> bool {
    script.match_indices("cloudflare:workers").any(|(at, _)| {
        let before = &script[..at];
        let names = before.rfind("import").map_or("", |start| &before[start..]);
        names.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').any(|word| word == "exports")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_may_read_exports_stays_in_one_process() {
        let reads = |script: &str| reads_exports(script, &["Room"]);
        for script in [
            "export default { fetch: (r, env, ctx) => ctx.exports.Room.getByName('a').fetch(r) }",
            "const{exports:e}=c;e.x; n.exports.Room.getByName('a')",
            "this.ctx.exports?.Room",
            "c.executionCtx.exports",
            "import { DurableObject, exports } from 'cloudflare:workers';",
            "import{exports as a}from\"cloudflare:workers\"",
        ] {
            assert!(reads(script), "{script}");
        }
        for script in [
            "import { DurableObject } from 'cloudflare:workers'; export class Room extends DurableObject {}",
            "var require_a = __commonJS({ 'a.js'(exports, module) { module.exports = 1; exports.x = 2; } });",
            "import { exports } from './mine.js'; import { env } from 'cloudflare:workers';",
        ] {
            assert!(!reads(script), "{script}");
        }
    }
}
