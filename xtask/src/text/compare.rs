//! Comparing lines that should be the same.

/// Whether `line` is what `pattern` says; `[..]` in the pattern stands for any run of characters.
/// Space at the end of a line cannot be seen and does not count.
pub(crate) fn matches(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (pattern.trim_end(), line.trim_end());
    let Some((start, pattern)) = pattern.split_once("[..]") else {
        return pattern == line;
    };
    let (middle, end) = pattern.rsplit_once("[..]").unwrap_or(("", pattern));
    let Some(rest) = line.strip_prefix(start).and_then(|rest| rest.strip_suffix(end)) else {
        return false;
    };
    // The leftmost place for each piece leaves the most room for the next.
    let after = |rest: &'_ str, piece: &str| Some(rest.find(piece)? + piece.len());
    let mut left = Some(rest);
    for piece in middle.split("[..]") {
        left = left.and_then(|rest| rest.get(after(rest, piece)?..));
    }
    left.is_some()
}

/// The differences as lines with `-` (expected), `+` (actual) or a space; none when all are the
/// same. Blank lines at the end do not count.
pub(crate) fn diff(
    expected: &[&str],
    actual: &[&str],
    same: impl Fn(&str, &str) -> bool,
) -> Option<String> {
    let (expected, actual) = (filled(expected), filled(actual));
    if expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| same(e, a)) {
        return None;
    }
    let mut lines = Vec::new();
    let (mut expected, mut actual) = (expected, actual);
    let longest = longest_common(expected, actual, &same);
    let common = |expected: &[&str], actual: &[&str]| {
        let row = longest.get(expected.len());
        row.and_then(|row| row.get(actual.len())).copied().unwrap_or(0)
    };
    loop {
        match (expected.split_first(), actual.split_first()) {
            (Some((e, es)), Some((a, rest))) if same(e, a) => {
                lines.push(format!("  {a}"));
                (expected, actual) = (es, rest);
            }
            (Some((e, es)), None) => {
                lines.push(format!("- {e}"));
                expected = es;
            }
            (Some((e, es)), Some((_, rest))) if common(es, actual) >= common(expected, rest) => {
                lines.push(format!("- {e}"));
                expected = es;
            }
            (_, Some((a, rest))) => {
                lines.push(format!("+ {a}"));
                actual = rest;
            }
            (None, None) => return Some(lines.join("\n")),
        }
    }
}

/// For each number of last lines of both sides, how many of them can be paired.
fn longest_common(
    expected: &[&str],
    actual: &[&str],
    same: impl Fn(&str, &str) -> bool,
) -> Vec<Vec<usize>> {
    let mut rows = Vec::with_capacity(expected.len() + 1);
    let mut above = vec![0; actual.len() + 1];
    for e in expected.iter().rev() {
        let mut row = vec![0];
        let mut before = 0;
        for (a, pair) in actual.iter().rev().zip(above.windows(2)) {
            let [corner, over] = *pair else { continue };
            before = if same(e, a) { corner + 1 } else { before.max(over) };
            row.push(before);
        }
        rows.push(std::mem::replace(&mut above, row));
    }
    rows.push(above);
    rows
}

fn filled<'a, 'b>(lines: &'b [&'a str]) -> &'b [&'a str] {
    let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    lines.get(..end).unwrap_or(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, line: &str, expected: bool) {
        assert_eq!(matches(pattern, line), expected, "`{pattern}` against `{line}`");
    }

    #[test]
    fn two_dots_in_brackets_match_any_run_of_characters() {
        check("took [..] ms", "took 12 ms", true);
        check("took [..] ms", "took  ms", true);
        check("[..]", "", true);
        check("a[..]b[..]c", "a1b2c", true);
        check("a[..]b[..]b[..]c", "a1b2bc", true);
        check("id [..]", "id 7", true);
        check("same ", "same", true);
    }

    #[test]
    fn all_else_must_be_the_same() {
        check("took [..] ms", "took 12 s", false);
        check("took [..] ms", "it took 12 ms", false);
        check("a[..]b[..]b[..]c", "a1b2c", false);
        check("ab[..]bc", "abc", false);
        check("a[..]x[..]a", "axbc", false);
        check("[.]", "x", false);
        check("", "x", false);
    }

    #[test]
    fn equal_lines_have_no_diff() {
        assert_eq!(diff(&["a", "b"], &["a", "b", ""], matches), None);
        assert_eq!(diff(&["a [..]"], &["a 1"], matches), None);
    }

    #[test]
    fn a_diff_keeps_the_lines_that_agree() {
        let shown = diff(&["a", "b", "c"], &["a", "x", "c", "d"], matches);
        assert_eq!(shown.as_deref(), Some("  a\n- b\n+ x\n  c\n+ d"));
        let shown = diff(&["a", "b"], &[], matches);
        assert_eq!(shown.as_deref(), Some("- a\n- b"));
        let shown = diff(&[], &["a"], matches);
        assert_eq!(shown.as_deref(), Some("+ a"));
    }

    #[test]
    fn without_the_pattern_rule_brackets_are_only_brackets() {
        assert!(diff(&["&rows[..]"], &["&rows[1]"], |e, a| e == a).is_some());
    }
}
