//! What a function's process is told on stdin.

use std::collections::BTreeMap;

use hearth_model::{BindingKind, Function, Launch};
use serde::Serialize;

#[derive(Serialize)]
struct Configuration<'a> {
    name: &'a str,
    handler: &'a str,
    main: &'a str,
    files: BTreeMap<&'a str, std::borrow::Cow<'a, str>>,
    env: BTreeMap<&'a str, &'a str>,
    dependencies: bool,
    timeout_ms: u64,
    memory_mb: u64,
}

/// The configuration of a function's process: one document of JSON, then the end of stdin.
pub(crate) fn configuration(launch: &Launch, function: &Function) -> Vec<u8> {
    let env = launch.bindings.iter().filter_map(|binding| match &binding.kind {
        BindingKind::PlainText { text } | BindingKind::SecretText { text: Some(text) } => {
            Some((binding.name.as_str(), text.as_str()))
        }
        _ => None,
    });
    let main = launch.modules.iter().filter(|module| module.name == function.main);
    let configuration = Configuration {
        name: launch.name.as_str(),
        handler: &function.handler,
        main: &function.main,
        files: main.map(|m| (m.name.as_str(), String::from_utf8_lossy(&m.content))).collect(),
        env: env.collect(),
        dependencies: function.dependencies.is_some(),
        timeout_ms: launch.limits.timeout_ms(),
        memory_mb: launch.limits.memory_mb(),
    };
    // Strings and numbers only.
    serde_json::to_vec(&configuration).unwrap_or_default()
}
