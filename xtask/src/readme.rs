//! `cargo xtask readme`: what README.md and the pages of `docs/` quote is what stands in the quoted
//! files.
//!
//! A block is a quote when the line before it is one of
//! `<!-- output of example NAME -->`, `<!-- file PATH -->`, `<!-- file PATH:region NAME -->`.
//!
//! A page with the line `<!-- every block is a quote -->` has no other blocks, but for those fenced as
//! `sh` or `text`: what it shows is what is built and run.

use crate::failure::Failure;
use crate::repo;
use crate::text;

const README: &str = "README.md";
const STRICT: &str = "<!-- every block is a quote -->";
/// Languages of blocks that a strict page has as well: commands and what they print.
const FREE: [&str; 2] = ["sh", "text"];

/// Compares every quote.
pub(crate) fn run() -> Result<(), Failure> {
    let problems = all()?;
    problems.iter().for_each(|problem| println!("{problem}"));
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::Check("a quote is not right".to_owned())),
        n => Err(Failure::Check(format!("{n} quotes are not right"))),
    }
}

/// Every quote that is not right, as `FILE:LINE: PROBLEM`.
fn all() -> Result<Vec<String>, Failure> {
    let is_page = |path: &str| {
        let name = path.strip_prefix("docs/").unwrap_or_default();
        path == README || name.ends_with(".md") && !name.contains('/')
    };
    let pages = repo::text_files()?.into_iter().filter(|file| is_page(&file.path));
    let problems = pages.flat_map(|page| {
        let of_page = problems(&page.text, repo::read);
        of_page.into_iter().map(move |problem| format!("{}:{problem}", page.path))
    });
    Ok(problems.collect())
}

/// A place that a page quotes.
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
    if lines.iter().any(|line| line.trim() == STRICT) {
        problems.extend(unquoted(&lines));
    }
    for (number, line) in (1..).zip(&lines) {
        let Some(quote) = Quote::parse(line) else { continue };
        let after = lines.get(number..).unwrap_or_default();
        if let Err(problem) = check(&quote, after, &read) {
            problems.push(format!("{number}: {problem}"));
        }
    }
    problems
}

/// The blocks of a strict page that are no quotes.
fn unquoted(lines: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut at, mut quoted) = (0, false);
    while let Some(line) = lines.get(at) {
        if let Some((language, block)) = text::block_at(lines.get(at..).unwrap_or_default())
            && !line.trim().is_empty()
        {
            if !quoted && !FREE.contains(&language) {
                problems.push(format!("{}: this block quotes no file that is tested", at + 1));
            }
            at += block.len() + 1;
            quoted = false;
        } else if !line.trim().is_empty() {
            quoted = Quote::parse(line).is_some();
        }
        at += 1;
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
    fn the_pages_of_this_repository_quote_what_is_there() {
        let problems = all().expect("the repository can be read");
        assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
    }

    #[test]
    fn a_strict_page_has_no_block_of_its_own_but_commands_and_what_they_print() {
        let quote = "<!-- file conf/flow.yml -->\n\n```yaml\nkistype: flow\n```\n";
        let own = "```sh\nls\n```\n```text\n```yaml\n```\nwords\n\n```yaml\na: 1\n```\n";
        check(&format!("{quote}{own}"), &[]);
        check(&format!("{STRICT}\n{quote}"), &[]);
        check(
            &format!("{STRICT}\n{quote}{own}{quote}```rust\n```\n"),
            &[
                "15: this block quotes no file that is tested",
                "23: this block quotes no file that is tested",
            ],
        );
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
