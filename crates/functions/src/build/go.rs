//! Compiles functions in Go. The text around the compiler is pure; where what it complains of is a comma that the
//! document's own samples lack, the comma is added.

use std::collections::BTreeSet;

use hearth_supervisor::FunctionError;

/// What runs the function, compiled with it.
pub(crate) const HARNESS: &str = include_str!("../../../../runtime/functions/go/harness.go");

/// The user's file, as the compiler names it.
pub(crate) const FILE: &str = "function.go";

/// The harness's file: the first, so that the environment is there before the function's own variables.
pub(crate) const HARNESS_FILE: &str = "00_harness.go";

/// The file that says which function is the handler.
pub(crate) const HANDLER_FILE: &str = "01_handler.go";

/// What the compiler says where a line of a literal or a call lacks its comma.
const NO_COMMA: &str = "possibly missing comma or";

/// A file of package main, with the user's lines where they were: code without a package begins behind one.
pub(crate) fn file(code: &str) -> String {
    match package(code) {
        Some((begin, end)) => format!("{}main{}", &code[..begin], &code[end..]),
        None => format!("package main; {code}"),
    }
}

/// Where the package's name stands, if the code names one.
fn package(code: &str) -> Option<(usize, usize)> {
    let mut rest = code;
    loop {
        rest = rest.trim_start();
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, rest)| rest);
        } else {
            break;
        }
    }
    let name = rest.strip_prefix("package")?;
    let name = name.strip_prefix(|c: char| c.is_whitespace())?.trim_start();
    let length = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    let begin = code.len() - name.len();
    Some((begin, begin + length))
}

/// The file that names the handler.
pub(crate) fn handler_file(handler: &str) -> String {
    format!("package main\n\nvar hearthHandler interface{{}} = {handler}\n")
}

/// One complaint of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub text: String,
}

/// The complaints in what the compiler printed.
pub(crate) fn complaints(output: &str) -> Vec<Complaint> {
    let complaint = |line: &str| {
        let mut parts = line.splitn(4, ':');
        let file = parts.next()?.rsplit('/').next()?.to_owned();
        let (line, column) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let text = parts.next()?.trim().to_owned();
        file.ends_with(".go").then_some(Complaint { file, line, column, text })
    };
    output.lines().filter_map(complaint).collect()
}

/// Adds the commas that the compiler misses at the ends of lines. None: it misses none. With the lines that got one.
pub(crate) fn add_commas(file: &str, complaints: &[Complaint]) -> Option<(String, Vec<usize>)> {
    let lacking: BTreeSet<(usize, usize)> = complaints
        .iter()
        .filter(|complaint| complaint.file == FILE && complaint.text.contains(NO_COMMA))
        .filter(|complaint| complaint.text.contains("unexpected newline"))
        .map(|complaint| (complaint.line, complaint.column))
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let mut lines: Vec<String> = file.split('\n').map(str::to_owned).collect();
    for (line, column) in &lacking {
        let text = lines.get_mut(line.checked_sub(1)?)?;
        let at = column.checked_sub(1).filter(|at| text.is_char_boundary(*at) && *at <= text.len());
        text.insert(at.unwrap_or(text.len()), ',');
    }
    Some((lines.join("\n"), lacking.into_iter().map(|(line, _)| line).collect()))
}

/// What the user is told of a program that does not compile: the first complaint about their own file.
pub(crate) fn error(complaints: &[Complaint], output: &str, handler: &str) -> FunctionError {
    let undefined = format!("undefined: {handler}");
    if complaints.iter().any(|complaint| complaint.file == HANDLER_FILE && complaint.text == undefined) {
        let message = format!("handler: the code has no function named {handler}");
        return FunctionError { kind: "HandlerNotFound".into(), message, stack: String::new() };
    }
    let own: Vec<&Complaint> = complaints.iter().filter(|complaint| complaint.file == FILE).collect();
    let told = |complaint: &Complaint| {
        let Complaint { line, text, .. } = complaint;
        let missing = text
            .strip_prefix("no required module provides package ")
            .or_else(|| text.strip_prefix("cannot find module providing package "))
            .or_else(|| text.strip_prefix("module ").filter(|rest| rest.contains(": Get ")))
            .or_else(|| text.strip_prefix("package ").filter(|rest| rest.contains("is not in ")));
        match missing.and_then(|rest| rest.split([' ', ';', ':']).next()) {
            Some(package) => {
                format!(
                    "line {line}: the package {package} is not there: declare its module in `dependencies`"
                )
            }
            None => format!("line {line}: {text}"),
        }
    };
    if own.iter().any(|complaint| complaint.text.starts_with("main redeclared")) {
        let message = "leave out func main: the handler is what is called".to_owned();
        return FunctionError { kind: "CompileError".into(), message, stack: String::new() };
    }
    let message = match own.first() {
        Some(first) => told(first),
        None => output.trim().lines().last().unwrap_or("the compiler failed").to_owned(),
    };
    let stack = own.iter().map(|complaint| told(complaint)).collect::<Vec<_>>().join("\n");
    FunctionError { kind: "CompileError".into(), message, stack }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "func handler(event interface{}, context map[string]string) interface{} {\n    return map[string]interface{}{\n        \"message\": \"Hello World!\"\n    }\n}";

    #[test]
    fn code_without_a_package_gets_one_and_keeps_its_lines() {
        assert!(file(SAMPLE).starts_with("package main; func handler("));
        assert_eq!(file("package lib\nfunc f() {}"), "package main\nfunc f() {}");
        let commented = "// Package x\n/* package y */\npackage  z // why\nvar a int";
        assert_eq!(file(commented), "// Package x\n/* package y */\npackage  main // why\nvar a int");
        assert_eq!(file("packaged()"), "package main; packaged()");
    }

    #[test]
    fn the_comma_is_added_where_the_compiler_misses_it() {
        let output = "# command-line-arguments\n\
            ./function.go:3:34: syntax error: unexpected newline in composite literal; possibly missing comma or }\n";
        let found = complaints(output);
        assert_eq!(found.len(), 1);
        let (repaired, lines) = add_commas(&file(SAMPLE), &found).unwrap();
        assert!(repaired.contains("\"message\": \"Hello World!\",\n"), "{repaired}");
        assert_eq!(lines, [3]);
        let other = complaints("./function.go:3:34: undefined: result\n");
        assert_eq!(add_commas(SAMPLE, &other), None);
    }

    #[test]
    fn a_complaint_is_told_with_its_line() {
        let output = "./function.go:4:12: undefined: result\n./function.go:9:1: missing return\n";
        let told = error(&complaints(output), output, "handler");
        assert_eq!(told.message, "line 4: undefined: result");
        assert!(told.stack.contains("line 9: missing return"));
        let output = "./01_handler.go:3:35: undefined: handler\n";
        assert_eq!(error(&complaints(output), output, "handler").kind, "HandlerNotFound");
        let output =
            "function.go:3:8: no required module provides package example.test/x; to add it:\n\tgo get x\n";
        let told = error(&complaints(output), output, "handler");
        assert!(told.message.contains("example.test/x") && told.message.contains("dependencies"), "{told:?}");
    }
}
