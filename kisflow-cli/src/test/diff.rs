//! A difference between what a test expects and what came, line by line.

use std::fmt;

use kisflow_core::Problem;
use serde::{Serialize, Serializer};

/// The most comparisons that looking for the shortest difference is worth.
const EFFORT: usize = 1_000_000;

/// Rows that are as expected are left out where more than so many follow each other.
const AROUND: usize = 3;

/// One thing that is not as expected.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// `file:line`.
    pub(super) place: String,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<Line>,
}

/// A line of a difference.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Expected(String),
    Got(String),
    /// As expected.
    Same(String),
    /// About the lines before it.
    Note(String),
}

impl From<Problem> for Difference {
    fn from(problem: Problem) -> Self {
        let file = problem.file.as_deref().map(|file| file.display().to_string());
        let line = problem.line.map(|line| line.to_string());
        let place = [file, line].into_iter().flatten().collect::<Vec<_>>().join(":");
        Self::new(place, problem.message)
    }
}

impl Difference {
    pub(super) fn new(place: String, message: impl Into<String>) -> Self {
        Self { place, message: message.into(), lines: Vec::new() }
    }

    pub(super) fn with(mut self, lines: Vec<Line>) -> Self {
        self.lines = lines;
        self
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expected(text) => write!(formatter, "- {text}"),
            Self::Got(text) => write!(formatter, "+ {text}"),
            Self::Same(text) => write!(formatter, "  {text}"),
            Self::Note(text) => write!(formatter, "    {text}"),
        }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The lines of two lists that are not the same; `note` tells how two items differ.
pub(super) fn lists<E: fmt::Display, G: fmt::Display>(
    expected: &[E],
    got: &[G],
    same: impl Fn(&E, &G) -> bool,
    note: impl Fn(&E, &G) -> Vec<String>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let (mut from, mut to) = (0, 0);
    let ends = [(expected.len(), got.len())];
    for (next, other) in common(expected, got, &same).into_iter().chain(ends) {
        let gone = expected.get(from..next).unwrap_or_default();
        let come = got.get(to..other).unwrap_or_default();
        for at in 0..gone.len().max(come.len()) {
            let (gone, come) = (gone.get(at), come.get(at));
            lines.extend(gone.map(|item| Line::Expected(item.to_string())));
            lines.extend(come.map(|item| Line::Got(item.to_string())));
            if let (Some(gone), Some(come)) = (gone, come) {
                lines.extend(note(gone, come).into_iter().map(Line::Note));
            }
        }
        lines.extend(got.get(other).map(|item| Line::Same(item.to_string())));
        (from, to) = (next + 1, other + 1);
    }
    shortened(&lines)
}

/// The positions of a longest common subsequence, in both lists.
fn common<E, G>(expected: &[E], got: &[G], same: impl Fn(&E, &G) -> bool) -> Vec<(usize, usize)> {
    if expected.len() * got.len() > EFFORT {
        let pairs = expected.iter().zip(got).enumerate();
        return pairs
            .filter(|(_, (one, other))| same(one, other))
            .map(|(at, _)| (at, at))
            .collect();
    }
    let lengths = Lengths::new(expected, got, &same);
    let mut pairs = Vec::new();
    let (mut at, mut other) = (0, 0);
    while let (Some(one), Some(another)) = (expected.get(at), got.get(other)) {
        if same(one, another) {
            pairs.push((at, other));
            (at, other) = (at + 1, other + 1);
        } else if lengths.from(at + 1, other) >= lengths.from(at, other + 1) {
            at += 1;
        } else {
            other += 1;
        }
    }
    pairs
}

/// How long the longest common subsequence is from each pair of positions on.
struct Lengths(Vec<Vec<usize>>);

impl Lengths {
    fn new<E, G>(expected: &[E], got: &[G], same: impl Fn(&E, &G) -> bool) -> Self {
        let mut lengths = Self(vec![vec![0; got.len() + 1]; expected.len() + 1]);
        for (at, one) in expected.iter().enumerate().rev() {
            for (other, another) in got.iter().enumerate().rev() {
                let length = match same(one, another) {
                    true => 1 + lengths.from(at + 1, other + 1),
                    false => lengths.from(at + 1, other).max(lengths.from(at, other + 1)),
                };
                if let Some(cell) = lengths.0.get_mut(at).and_then(|row| row.get_mut(other)) {
                    *cell = length;
                }
            }
        }
        lengths
    }

    fn from(&self, at: usize, other: usize) -> usize {
        self.0.get(at).and_then(|row| row.get(other)).copied().unwrap_or_default()
    }
}

/// Many equal lines in a row become one that counts them.
fn shortened(lines: &[Line]) -> Vec<Line> {
    let is_same = |line: &Line| matches!(line, Line::Same(_));
    let groups = lines.chunk_by(|one, other| is_same(one) == is_same(other));
    let shorten = |group: &[Line]| match group {
        [Line::Same(_), ..] if group.len() > AROUND => {
            vec![Line::Same(format!("… {} rows as expected", group.len()))]
        }
        group => group.to_vec(),
    };
    groups.flat_map(shorten).collect()
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[track_caller]
    fn check(expected: &str, got: &str, shown: &[&str]) {
        let expected: Vec<&str> = expected.split_whitespace().collect();
        let got: Vec<&str> = got.split_whitespace().collect();
        let note = |one: &&str, other: &&str| vec![format!("{one} is {other}")];
        let lines = lists(&expected, &got, |one, other| one == other, note);
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(lines, shown);
    }

    #[test]
    fn a_row_that_is_missing_or_too_many_stands_alone() {
        check("a b c", "a c", &["  a", "- b", "  c"]);
        check("a c", "a b c", &["  a", "+ b", "  c"]);
        check("", "a", &["+ a"]);
        check("a", "", &["- a"]);
    }

    #[test]
    fn a_row_that_is_another_stands_below_the_expected_one_with_a_note() {
        check("a b c", "a x c", &["  a", "- b", "+ x", "    b is x", "  c"]);
        check("b", "x y", &["- b", "+ x", "    b is x", "+ y"]);
    }

    #[test]
    fn many_equal_rows_are_counted() {
        check("a b c d e", "a b c d", &["  … 4 rows as expected", "- e"]);
        check("a b c d", "a b c", &["  a", "  b", "  c", "- d"]);
    }

    #[test]
    fn long_lists_are_compared_by_position() {
        let many = "a ".repeat(1_001);
        check(
            &format!("{many} b"),
            &format!("{many} c"),
            &["  … 1001 rows as expected", "- b", "+ c", "    b is c"],
        );
    }
}
