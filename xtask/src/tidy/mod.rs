//! `cargo xtask tidy`: rules of the source tree that no compiler knows.
//!
//! The tests below run each rule on the repository, so that `cargo test` does it too.

mod rules;

use crate::failure::Failure;
use crate::repo::{self, TextFile};

/// What a rule has to say about a file.
type Rule = fn(&TextFile) -> Vec<Finding>;

const RULES: [Rule; 5] = [
    rules::opens_with_a_comment,
    rules::is_short,
    rules::todos_have_a_text,
    rules::names_no_machine_path,
    rules::allows_have_a_reason,
];

/// A line that breaks a rule, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    advice: String,
}

/// Checks every rule on every file.
pub(crate) fn run() -> Result<(), Failure> {
    let mut count = 0;
    for rule in RULES {
        let broken = broken(rule)?;
        broken.iter().for_each(|finding| println!("{finding}"));
        count += broken.len();
    }
    match count {
        0 => Ok(()),
        1 => Err(Failure::Check("a line breaks a rule".to_owned())),
        n => Err(Failure::Check(format!("{n} lines break a rule"))),
    }
}

/// The places that break a rule, as `FILE:LINE: ADVICE`.
fn broken(rule: Rule) -> Result<Vec<String>, Failure> {
    let files = repo::text_files()?;
    let findings = files.iter().flat_map(|file| {
        let place = move |Finding { line, advice }| format!("{}:{line}: {advice}", file.path);
        rule(file).into_iter().map(place)
    });
    Ok(findings.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: Rule) {
        let broken = broken(rule).expect("the repository can be read");
        assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
    }

    #[test]
    fn every_rust_file_opens_with_a_comment() {
        check(rules::opens_with_a_comment);
    }

    #[test]
    fn every_library_file_is_short() {
        check(rules::is_short);
    }

    #[test]
    fn every_todo_has_a_text() {
        check(rules::todos_have_a_text);
    }

    #[test]
    fn no_file_names_a_path_of_a_machine() {
        check(rules::names_no_machine_path);
    }

    #[test]
    fn every_allow_has_a_reason() {
        check(rules::allows_have_a_reason);
    }

    #[test]
    fn the_rules_see_the_files_of_the_repository() {
        let files = repo::text_files().expect("the repository can be read");
        for path in ["Cargo.toml", ".ci/run", "src/lib.rs", "xtask/src/tidy/mod.rs"] {
            assert!(files.iter().any(|file| file.path == path), "{path}");
        }
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
