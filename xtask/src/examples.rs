//! `cargo xtask examples`: every example prints what its head comment says.
//!
//! The expectation is the first block of the head comment that is fenced as `text`; `[..]` in it
//! stands for any run of characters. A line `Args: …` in the head comment gives arguments, with
//! paths from the root of the repository.

use crate::failure::Failure;
use crate::process;
use crate::repo::{self, Target};
use crate::text;

/// Runs the named examples, or all.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    let examples = repo::targets("examples", names)?;
    // The workspace's, because the tests are built so: another choice of features would build every
    // dependency again.
    let scope = ["--workspace", "--all-features", "--examples"];
    process::run(process::cargo().arg("build").args(scope))?;
    let mut failed = Vec::new();
    for example in &examples {
        match problem(example)? {
            None => println!("ok      {}", example.name),
            Some(problem) => {
                println!("FAILED  {}: {problem}", example.name);
                failed.push(example.name.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::Check(format!("examples failed: {}", failed.join(", "))))
}

/// What is wrong with an example, if anything.
fn problem(example: &Target) -> Result<Option<String>, Failure> {
    let source = repo::read(&example.path)?;
    let Some(expected) = text::head_block(&source) else {
        return Ok(Some(format!(
            "{}: the head comment has no block fenced as `text` to compare with",
            example.path
        )));
    };
    let mut program = process::example(&example.name)?;
    let output = process::capture(program.args(arguments(&source)))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let printed: Vec<&str> = printed.lines().collect();

    let mut problems = Vec::new();
    if let Err(failure) = process::succeeded(&program, output.status) {
        let stderr = String::from_utf8_lossy(&output.stderr);
        problems.push(format!("{failure}\n{}", stderr.trim_end()));
    }
    if let Some(diff) = text::diff(&expected, &printed, text::matches) {
        problems.push(format!("- is what {} expects, + what it printed\n{diff}", example.path));
    }
    Ok((!problems.is_empty()).then(|| problems.join("\n")))
}

fn arguments(source: &str) -> Vec<&str> {
    let comment = text::head_comment(source);
    let line = comment.into_iter().find_map(|line| line.strip_prefix("Args:"));
    line.map(|line| line.split_whitespace().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_stand_in_the_head_comment() {
        assert_eq!(
            arguments("//! Head.\n//! Args: --conf conf/a.yml  3\n"),
            ["--conf", "conf/a.yml", "3"]
        );
        assert!(arguments("//! Head.\nfn main() {}\n//! Args: late\n").is_empty());
    }
}
