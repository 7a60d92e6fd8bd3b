//! The rules, one function each.

use super::Finding;
use crate::repo::TextFile;

const LONGEST: usize = 400;
const TODO_WORDS: [&str; 2] = ["TODO", "FIXME"];
const MACHINE_PATHS: [&str; 5] = ["/home/", "/Users/", "/root/", "/work/", "/tmp/"];

/// Every Rust file opens with `//!`.
pub(super) fn opens_with_a_comment(file: &TextFile) -> Vec<Finding> {
    if !is_rust(file) || file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![finding(1, "say in a `//!` comment what this file is")]
}

/// No file of a library is longer than 400 lines.
pub(super) fn is_short(file: &TextFile) -> Vec<Finding> {
    let top = file.path.split('/').next().unwrap_or_default();
    let is_library = top == "src" || top.starts_with("kisflow") && file.path.contains("/src/");
    let lines = file.text.lines().count();
    if !is_library || !is_rust(file) || lines <= LONGEST {
        return Vec::new();
    }
    let advice = format!("{lines} lines, {LONGEST} are the limit: give its second idea a file");
    vec![Finding { line: LONGEST + 1, advice }]
}

/// Every note of work left to do says what, or why it can wait.
pub(super) fn todos_have_a_text(file: &TextFile) -> Vec<Finding> {
    if quotes_bad_lines(file) {
        return Vec::new();
    }
    let bare = |line: &str| TODO_WORDS.iter().any(|word| is_bare(line, word));
    lines_where(file, bare, "say what is to do and why it can wait")
}

/// No file names a path of somebody's machine. Tests may: they make paths up.
pub(super) fn names_no_machine_path(file: &TextFile) -> Vec<Finding> {
    if quotes_bad_lines(file) || format!("/{}", file.path).contains("/tests/") {
        return Vec::new();
    }
    let named = |line: &str| MACHINE_PATHS.iter().any(|path| begins_a_path(line, path));
    lines_where(file, named, "a path of one machine: use one from the root of the repository")
}

/// Every `allow` and `expect` of a lint says why.
pub(super) fn allows_have_a_reason(file: &TextFile) -> Vec<Finding> {
    if !is_rust(file) || quotes_bad_lines(file) {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let mut findings = Vec::new();
    let mut above = "";
    for (number, line) in lines.iter().enumerate() {
        let attribute = attribute_at(lines.get(number..).unwrap_or_default());
        if quiets_a_lint(&attribute) && !attribute.contains("reason =") && !is_comment(above) {
            let advice = "say why, as `reason = \"…\"` or in a comment on the line above";
            findings.push(finding(number + 1, advice));
        }
        above = line;
    }
    findings
}

/// The attribute that begins on the first line, to its closing bracket; empty if none does.
fn attribute_at(lines: &[&str]) -> String {
    let first = lines.first().copied().unwrap_or_default();
    let start = first.find("#[").or_else(|| first.find("#!["));
    let (Some(start), false) = (start, first.trim_start().starts_with("//")) else {
        return String::new();
    };
    let mut attribute = String::new();
    let mut open = 0_usize;
    let first = first.get(start..).unwrap_or_default();
    for line in std::iter::once(first).chain(lines.iter().skip(1).copied()) {
        attribute.push_str(line);
        open += line.matches('[').count();
        open = open.saturating_sub(line.matches(']').count());
        if open == 0 {
            break;
        }
    }
    attribute
}

fn quiets_a_lint(attribute: &str) -> bool {
    ["allow(", "expect("].iter().any(|level| {
        let mut before = attribute.match_indices(level).map(|(at, _)| attribute.get(..at));
        before.any(|before| before.is_some_and(|before| before.ends_with(['[', '(', ',', ' '])))
    })
}

fn is_comment(line: &str) -> bool {
    let text = line.trim_start().strip_prefix("//");
    // `///` and `//!` tell about the item, not about the lint.
    text.is_some_and(|text| !text.starts_with(['/', '!']) && has_words(text))
}

fn is_bare(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        if before.ends_with(is_part) || after.starts_with(is_part) {
            return false;
        }
        // A name in brackets is not yet a text.
        let named = after.strip_prefix('(').and_then(|name| name.split_once(')'));
        !has_words(named.map_or(after, |(_, text)| text))
    })
}

fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        // Else it is the inside of another path: `./tmp/`, `~/work/`, `$HOME/tmp/`.
        !before.ends_with(|c: char| c.is_alphanumeric() || "._-~})".contains(c))
    })
}

fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// A Rust file that a person keeps; what compile-fail tests feed to the compiler is data.
fn is_rust(file: &TextFile) -> bool {
    file.path.ends_with(".rs") && !format!("/{}", file.path).contains("/tests/ui/")
}

/// This crate's own tests hold lines that break the rules.
fn quotes_bad_lines(file: &TextFile) -> bool {
    file.path.starts_with("xtask/")
}

fn lines_where(file: &TextFile, bad: impl Fn(&str) -> bool, advice: &str) -> Vec<Finding> {
    let numbered = (1..).zip(file.text.lines());
    numbered.filter(|(_, line)| bad(line)).map(|(line, _)| finding(line, advice)).collect()
}

fn finding(line: usize, advice: &str) -> Finding {
    Finding { line, advice: advice.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    /// The rule must find exactly these lines.
    #[track_caller]
    fn check(rule: Rule, path: &str, text: &str, lines: &[usize]) {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        let found: Vec<usize> = rule(&file).iter().map(|finding| finding.line).collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn a_rust_file_without_a_comment_at_its_head_is_found() {
        let check = |path, text, lines| check(opens_with_a_comment, path, text, lines);
        check("src/lib.rs", "use std::fmt;\n//! Late.\n", &[1]);
        check("examples/a.rs", "", &[1]);
        check("xtask/src/main.rs", "// Not a doc comment.\n", &[1]);
        check("src/lib.rs", "//! Head.\n", &[]);
        check("README.md", "# Title\n", &[]);
        check("kisflow-macros/tests/ui/fail/not_async.rs", "fn main() {}\n", &[]);
    }

    #[test]
    fn a_library_file_of_more_than_400_lines_is_found() {
        let check = |path, text: &str, lines| check(is_short, path, text, lines);
        check("kisflow-core/src/flow/mod.rs", &"x\n".repeat(401), &[401]);
        check("src/lib.rs", &"x\n".repeat(500), &[401]);
        check("src/lib.rs", &"x\n".repeat(400), &[]);
        check("tests/flow.rs", &"x\n".repeat(500), &[]);
        check("kisflow-core/tests/flow.rs", &"x\n".repeat(500), &[]);
    }

    #[test]
    fn a_todo_without_a_text_is_found() {
        let check = |text, lines| check(todos_have_a_text, "src/lib.rs", text, lines);
        check("//! Head.\n// TODO\n", &[2]);
        check("// TODO:\n// FIXME -->\n", &[1, 2]);
        check("// TODO(somebody):\n", &[1]);
        check("// TODO: retry, once the store can tell a lost key\n", &[]);
        check("const TODOS: u8 = 1;\nlet MY_TODO;\n", &[]);
    }

    #[test]
    fn a_machine_path_is_found() {
        let check = |path, text, lines| check(names_no_machine_path, path, text, lines);
        check("src/lib.rs", "//! See /home/me/notes.\n", &[1]);
        check("conf/a.yml", "a: 1\nlog: \"/tmp/a.log\"\n", &[2]);
        check("README.md", "(file:///work/x) or `/Users/me/x`\n", &[1]);
        check("conf/a.yml", "log: ./tmp/a.log\nurl: https://example.com/work/a\n", &[]);
        check("tests/flow.rs", "let path = \"/tmp/a\";\n", &[]);
        check("kisflow-core/tests/flow.rs", "let path = \"/tmp/a\";\n", &[]);
    }

    #[test]
    fn an_allow_without_a_reason_is_found() {
        let check = |text, lines| check(allows_have_a_reason, "src/lib.rs", text, lines);
        check("//! Head.\n#![allow(missing_docs)]\n", &[2]);
        check("/// Doc.\n#[allow(dead_code)]\nfn f() {}\n", &[2]);
        check("#[cfg_attr(test, allow(dead_code))]\n", &[1]);
        check("#[expect(dead_code)]\n", &[1]);
        check("quote! { #[allow(unused)] fn f() {} }\n", &[1]);
        check("//\n#[allow(\n    dead_code,\n)]\n// A reason below.\n", &[2]);
    }

    #[test]
    fn an_allow_with_a_reason_passes() {
        let check = |text| check(allows_have_a_reason, "src/lib.rs", text, &[]);
        check("#[allow(dead_code, reason = \"only tests read it\")]\n");
        check("#[allow(\n    dead_code,\n    reason = \"only tests read it\"\n)]\n");
        check("// Only tests read it.\n#[allow(dead_code)]\n");
        check(
            "// About #[allow(dead_code)].\nlet row = rows.expect(1);\n#[doc = \"a.expect(b)\"]\n",
        );
    }
}
