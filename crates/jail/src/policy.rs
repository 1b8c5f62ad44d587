//! System call policies: a data file for each program, compiled to filters that the kernel runs.

use std::env::consts::ARCH;

use seccompiler::{BpfProgram, TargetArch};
use serde_json::{Value, json};

use crate::config::{Error, Program, Result};

const WORKERD: &str = include_str!("../policy/workerd.seccomp");
const HELPER: &str = include_str!("../policy/helper.seccomp");
const FUNCTION: &str = include_str!("../policy/function.seccomp");
const BUILD: &str = include_str!("../policy/build.seccomp");
/// What [`WORKERD`] lacks.
const INSPECTOR: &str = include_str!("../policy/inspector.seccomp");

/// A compiled policy. The kernel runs all of its filters for each call, and the strictest answer wins.
pub(crate) struct Policy(Vec<BpfProgram>);

impl Policy {
    /// Compiles the policy of a program for this machine.
    pub(crate) fn of(program: Program) -> Result<Self> {
        let text = match program {
            Program::Runtime => WORKERD,
            Program::Helper => HELPER,
            Program::Node | Program::Python | Program::Compiled => FUNCTION,
            Program::Go => BUILD,
        };
        Self::compiled(text)
    }

    /// Compiles the policy of a [`Program::Runtime`] that a debugger is to be attached to.
    pub(crate) fn of_inspected() -> Result<Self> {
        Self::compiled(&inspected())
    }

    fn compiled(text: &str) -> Result<Self> {
        compile(text, ARCH).map_err(|why| Error::Invalid(format!("system call policy: {why}")))
    }

    /// Puts it on the calling thread, for good. `no_new_privs` is set with it.
    pub(crate) fn apply(&self) -> std::io::Result<()> {
        self.0.iter().try_for_each(|filter| seccompiler::apply_filter(filter)).map_err(std::io::Error::other)
    }
}

fn inspected() -> String {
    format!("{WORKERD}\n{INSPECTOR}")
}

fn compile(text: &str, arch: &str) -> std::result::Result<Policy, String> {
    let (mut allowed, mut absent) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let rule = line.split('#').next().unwrap_or_default().trim();
        if rule.is_empty() {
            continue;
        }
        let rule = match rule.split_once(": ") {
            Some((wanted, _)) if wanted != arch => continue,
            Some((_, rule)) => rule,
            None => rule,
        };
        let (call, conditions) = rule.split_once(' ').unwrap_or((rule, ""));
        match conditions.trim() {
            "" => allowed.push(json!({ "syscall": call })),
            "absent" => {
                // Allowed by the one filter, so that the answer of the other is the strictest.
                allowed.push(json!({ "syscall": call }));
                absent.push(json!({ "syscall": call }));
            }
            conditions => {
                let args = arguments(conditions).ok_or(format!("line {}: {line:?} is no rule", index + 1))?;
                allowed.push(json!({ "syscall": call, "args": args }));
            }
        }
    }
    let filters = json!({
        "absent": { "mismatch_action": "allow", "match_action": { "errno": libc::ENOSYS }, "filter": absent },
        "allowed": { "mismatch_action": { "errno": libc::EPERM }, "match_action": "allow", "filter": allowed },
    });
    let arch = TargetArch::try_from(arch).map_err(|error| error.to_string())?;
    let mut compiled = seccompiler::compile_from_json(filters.to_string().as_bytes(), arch)
        .map_err(|error| error.to_string())?;
    // The first filter must not forbid the installation of the next.
    let in_order = ["absent", "allowed"].map(|name| compiled.remove(name).unwrap_or_default());
    Ok(Policy(in_order.into()))
}

/// `arg0 == 1`, `arg0 & 0x10 == 0x10`, one after the other.
fn arguments(text: &str) -> Option<Vec<Value>> {
    let mut words = text.split_whitespace();
    let mut conditions = Vec::new();
    while let Some(argument) = words.next() {
        let index: u8 = argument.strip_prefix("arg")?.parse().ok()?;
        let (operator, value) = match words.next()? {
            "==" => (json!("eq"), number(words.next()?)?),
            "&" => {
                let mask = number(words.next()?)?;
                if words.next()? != "==" {
                    return None;
                }
                (json!({ "masked_eq": mask }), number(words.next()?)?)
            }
            _ => return None,
        };
        // The kernel takes these arguments as 32-bit numbers and ignores what is above.
        conditions.push(json!({ "index": index, "type": "dword", "op": operator, "val": value }));
    }
    Some(conditions)
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_compile_for_both_architectures() {
        for (text, arch) in [WORKERD, HELPER, FUNCTION, BUILD, &inspected()]
            .into_iter()
            .flat_map(|text| [(text, "x86_64"), (text, "aarch64")])
        {
            let policy = compile(text, arch).unwrap_or_else(|why| panic!("{arch}: {why}"));
            assert!(policy.0.iter().all(|filter| !filter.is_empty()));
        }
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for wrong in ["socket arg0", "socket arg0 = 1", "socket one == 1", "no_such_call", "clone arg0 & 1"] {
            assert!(compile(wrong, "x86_64").is_err(), "{wrong}");
        }
    }
}
