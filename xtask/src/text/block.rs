//! The parts of a file that others quote: head comments, fenced blocks, regions.

/// The `//!` lines that a Rust file opens with, without the `//!`.
pub(crate) fn head_comment(source: &str) -> Vec<&str> {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect()
}

/// The first block of the head comment that is fenced as `text`.
pub(crate) fn head_block(source: &str) -> Option<Vec<&str>> {
    let comment = head_comment(source);
    let mut lines = comment.into_iter();
    while let Some(line) = lines.next() {
        let Some((fence, language)) = opened(line) else { continue };
        let block = until_closed(&mut lines, fence)?;
        if language == "text" {
            return Some(block);
        }
    }
    None
}

/// The language and the lines of the fenced block that comes next, after blank lines at most.
pub(crate) fn block_at<'a>(lines: &[&'a str]) -> Option<(&'a str, Vec<&'a str>)> {
    let mut lines = lines.iter().copied().skip_while(|line| line.trim().is_empty());
    let (fence, language) = opened(lines.next()?)?;
    Some((language, until_closed(&mut lines, fence)?))
}

/// The lines between one with `region: NAME` and the next with `endregion`, without the
/// indentation that they have in common.
pub(crate) fn region<'a>(source: &'a str, name: &str) -> Option<Vec<&'a str>> {
    let opens = |line: &&str| {
        let named = line.split_once("region:").and_then(|(_, rest)| rest.split_whitespace().next());
        named == Some(name) && !line.contains("endregion")
    };
    let mut inside = source.lines().skip_while(|line| !opens(line)).skip(1);
    let mut lines = Vec::new();
    loop {
        let line = inside.next()?;
        if line.contains("endregion") {
            return Some(without_indentation(&lines));
        }
        lines.push(line);
    }
}

/// The fence and the language of a line that opens a block.
fn opened(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let language = line.trim_start_matches('`');
    let fence = line.strip_suffix(language)?;
    (fence.len() >= 3).then(|| (fence, language.trim()))
}

fn until_closed<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    fence: &str,
) -> Option<Vec<&'a str>> {
    let mut block = Vec::new();
    loop {
        let line = lines.next()?;
        if line.trim() == fence {
            return Some(block);
        }
        block.push(line);
    }
}

fn without_indentation<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indentation = |line: &&str| line.len() - line.trim_start().len();
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let common = filled.map(indentation).min().unwrap_or(0);
    lines.iter().map(|line| line.get(common..).unwrap_or("")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_block_is_the_first_one_fenced_as_text() {
        let source = "//! Head.\n//!\n//! ```yaml\n//! a: 1\n//! ```\n//! ```text\n//! one\n//!   two\n//!\n//! ```\n//! ```text\n//! other\n//! ```\nfn main() {}\n";
        assert_eq!(head_block(source), Some(vec!["one", "  two", ""]));
    }

    #[test]
    fn a_block_below_the_head_comment_or_without_an_end_does_not_count() {
        assert_eq!(head_block("//! Head.\n\n//! ```text\n//! one\n//! ```\n"), None);
        assert_eq!(head_block("//! ```text\n//! one\nfn main() {}\n"), None);
    }

    #[test]
    fn a_fence_of_four_holds_a_fence_of_three() {
        let lines = ["", "````text", "```", "x", "```", "````", "after"];
        assert_eq!(block_at(&lines), Some(("text", vec!["```", "x", "```"])));
    }

    #[test]
    fn a_block_does_not_count_after_other_text() {
        assert_eq!(block_at(&["words", "```text", "x", "```"]), None);
    }

    #[test]
    fn a_region_loses_its_markers_and_its_common_indentation() {
        let source = "fn f() {\n    // region: other\n    // endregion: other\n    // region: body\n    if a {\n        b();\n\n    }\n    // endregion\n}\n";
        assert_eq!(region(source, "body"), Some(vec!["if a {", "    b();", "", "}"]));
        assert_eq!(region(source, "other"), Some(vec![]));
    }

    #[test]
    fn a_region_must_exist_by_its_whole_name_and_have_an_end() {
        assert_eq!(region("// region: body\n// endregion\n", "bo"), None);
        assert_eq!(region("// region: body\nx\n", "body"), None);
    }
}
