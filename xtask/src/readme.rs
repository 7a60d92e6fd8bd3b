//! `cargo xtask readme`: what README.md quotes is what stands in the quoted files.
//!
//! A block is a quote when the line before it is one of
//! `<!-- output of example NAME -->`, `<!-- file PATH -->`, `<!-- file PATH:region NAME -->`.

use crate::failure::Failure;
use crate::repo;
use crate::text;

const README: &str = "README.md";

/// Compares every quote.
pub(crate) fn run() -> Result<(), Failure> {
    let readme = repo::read(README)?;
    let problems = problems(&readme, repo::read);
    for problem in &problems {
        println!("{README}:{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::Check(format!("a quote in {README} is not right"))),
        n => Err(Failure::Check(format!("{n} quotes in {README} are not right"))),
    }
}

/// A place that README.md quotes.
#[derive(Debug, PartialEq, Eq)]
enum Quote<'a> {
    Output { example: &'a str },
    File { path: &'a str },
    Region { path: &'a str, name: &'a str },
}

impl<'a> Quote<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let marker = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim();
        if let Some(example) = marker.strip_prefix("output of example ") {
            return Some(Self::Output { example: example.trim() });
        }
        let file = marker.strip_prefix("file ")?.trim();
        Some(match file.split_once(":region ") {
            Some((path, name)) => Self::Region { path, name: name.trim() },
            None => Self::File { path: file },
        })
    }
}

/// A line for each quote that is not right, with its line number.
fn problems(readme: &str, read: impl Fn(&str) -> Result<String, Failure>) -> Vec<String> {
    let lines: Vec<&str> = readme.lines().collect();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(&lines) {
        let Some(quote) = Quote::parse(line) else { continue };
        let after = lines.get(number..).unwrap_or_default();
        if let Err(problem) = check(&quote, after, &read) {
            problems.push(format!("{number}: {problem}"));
        }
    }
    problems
}

fn check(
    quote: &Quote<'_>,
    after: &[&str],
    read: impl Fn(&str) -> Result<String, Failure>,
) -> Result<(), String> {
    let (language, quoted) = text::block_at(after).ok_or("no fenced block after the marker")?;
    let open = |path: &str| read(path).map_err(|_| format!("cannot read {path}"));
    let (place, source);
    let expected = match quote {
        Quote::Output { example } => {
            if language != "text" {
                return Err(format!("the block is fenced as `{language}`, not as `text`"));
            }
            let file = format!("examples/{example}.rs");
            let folder = format!("examples/{example}/main.rs");
            source = read(&file).or_else(|_| open(&folder)).map_err(|_| {
                format!("no example `{example}`: there is no {file} and no {folder}")
            })?;
            place = format!("the head comment of example {example}");
            text::head_block(&source).ok_or_else(|| format!("no `text` block in {place}"))?
        }
        Quote::File { path } => {
            source = open(path)?;
            place = (*path).to_owned();
            source.lines().collect()
        }
        Quote::Region { path, name } => {
            source = open(path)?;
            place = format!("region {name} of {path}");
            text::region(&source, name).ok_or_else(|| format!("there is no whole {place}"))?
        }
    };
    match text::diff(&expected, &quoted, |e, q| e.trim_end() == q.trim_end()) {
        None => Ok(()),
        Some(diff) => Err(format!("- is {place}, + the quote\n{diff}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const EXAMPLE: &str = "//! Head.\n//! ```text\n//! total: 3\n//! ```\nfn main() {\n    // region: body\n    go();\n    // endregion\n}\n";

    /// Two files: an example, and one in a folder of its own.
    fn read(path: &str) -> Result<String, Failure> {
        match path {
            "examples/sum.rs" | "examples/big/main.rs" => Ok(EXAMPLE.to_owned()),
            "conf/flow.yml" => Ok("kistype: flow\n".to_owned()),
            _ => Err(Failure::io("read", io::ErrorKind::NotFound.into())),
        }
    }

    #[track_caller]
    fn check(readme: &str, expected: &[&str]) {
        assert_eq!(problems(readme, read), expected);
    }

    #[test]
    fn right_quotes_pass() {
        check(
            "# Title\n<!-- output of example sum -->\n```text\ntotal: 3\n```\n\n<!-- output of example big -->\n\n```text\ntotal: 3\n```\n<!-- file conf/flow.yml -->\n```yaml\nkistype: flow\n```\n<!-- file examples/sum.rs:region body -->\n```rust\ngo();\n```\n<!-- a comment -->\n",
            &[],
        );
    }

    #[test]
    fn a_quote_that_differs_is_shown_as_a_diff() {
        check(
            "<!-- output of example sum -->\n```text\ntotal: 4\n```\n",
            &["1: - is the head comment of example sum, + the quote\n- total: 3\n+ total: 4"],
        );
        check(
            "\n<!-- file conf/flow.yml -->\n```yaml\nkistype: flow\nmore: 1\n```\n",
            &["2: - is conf/flow.yml, + the quote\n  kistype: flow\n+ more: 1"],
        );
        check(
            "<!-- file examples/sum.rs:region body -->\n```rust\nstop();\n```\n",
            &["1: - is region body of examples/sum.rs, + the quote\n- go();\n+ stop();"],
        );
    }

    #[test]
    fn a_quote_of_what_does_not_exist_is_a_problem() {
        check(
            "<!-- output of example mul -->\n```text\n```\n",
            &["1: no example `mul`: there is no examples/mul.rs and no examples/mul/main.rs"],
        );
        check("<!-- file conf/x.yml -->\n```yaml\n```\n", &["1: cannot read conf/x.yml"]);
        check(
            "<!-- file examples/sum.rs:region x -->\n```rust\n```\n",
            &["1: there is no whole region x of examples/sum.rs"],
        );
    }

    #[test]
    fn a_marker_without_its_block_is_a_problem() {
        let output = "<!-- output of example sum -->\n";
        check(&format!("{output}words\n"), &["1: no fenced block after the marker"]);
        check(
            &format!("{output}```sh\ntotal: 3\n```\n"),
            &["1: the block is fenced as `sh`, not as `text`"],
        );
    }
}
