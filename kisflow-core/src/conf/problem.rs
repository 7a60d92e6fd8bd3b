//! The problems of a conf: each with its place, its key and how to fix it.

use std::{collections::HashMap, error::Error, fmt, path::PathBuf, sync::Arc};

use serde::Serialize;

use super::node::Written;

/// All problems of a conf, in the order of files and lines.
#[derive(Clone)]
pub struct ConfError {
    problems: Vec<Problem>,
}

impl ConfError {
    /// Returns `Err` with the problems, if there are any.
    pub(crate) fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems: in_order(problems) }) }
    }

    /// Each problem.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => problem.fmt(formatter),
            problems => {
                write!(formatter, "{} problems in the conf:", problems.len())?;
                problems.iter().try_for_each(|problem| write!(formatter, "\n  {problem}"))
            }
        }
    }
}

/// A `main` that returns it prints this.
impl fmt::Debug for ConfError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Error for ConfError {}

/// One problem of a conf: `conf/flow.yml:6: flows[1].fname: no function is named …`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The file, when the conf came from one.
    pub file: Option<PathBuf>,
    /// The line in the file, from 1.
    pub line: Option<u64>,
    /// The key, from the top of its document: `flows[1].fname`.
    pub path: String,
    /// What is wrong, and how to fix it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{}:", file.display())?;
            if let Some(line) = self.line {
                write!(formatter, "{line}:")?;
            }
            formatter.write_str(" ")?;
        }
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

/// Problems in the order of files and lines, each once.
pub(crate) fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    problems.dedup_by(|a, b| a.to_string() == b.to_string());
    problems
}

/// The origin of a piece of conf. Origins are equal, so that two pieces with the same content are.
#[derive(Clone, Debug, Default)]
pub(crate) enum Origin {
    /// Built in code: the problem names the piece instead.
    #[default]
    Code,
    File(Arc<FileOrigin>),
}

#[derive(Default)]
pub(crate) struct FileOrigin {
    pub(crate) file: PathBuf,
    /// The line of each key, by its path.
    pub(crate) lines: HashMap<String, u64>,
    /// Scalars with variables: the place, what stands in the file, and what the piece of conf made
    /// of it.
    pub(super) written: Vec<(Vec<Step>, Written, serde_yaml::Value)>,
    /// Secrets that are not set: a problem for what connects.
    pub(crate) unset: Vec<Problem>,
}

/// A step from a value into one within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// Without values, some of which are secrets.
impl fmt::Debug for FileOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileOrigin").field("file", &self.file).finish_non_exhaustive()
    }
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Origin {
    /// A problem at `path` of the piece that `subject` names (`flow `CalStuAvgScore``).
    pub(crate) fn problem(
        &self,
        subject: impl fmt::Display,
        path: &str,
        message: impl Into<String>,
    ) -> Problem {
        let message = message.into();
        match self {
            Self::Code => {
                Problem { file: None, line: None, path: format!("{subject}: {path}"), message }
            }
            Self::File(origin) => Problem {
                file: Some(origin.file.clone()),
                line: origin.line(path),
                path: path.to_owned(),
                message,
            },
        }
    }

    /// Whether the value at a path has a variable in the file.
    pub(crate) fn has_variable(&self, path: &str) -> bool {
        let Self::File(origin) = self else { return false };
        origin.written.iter().any(|(steps, ..)| path_of(steps) == path)
    }

    /// Secrets that are not set.
    pub(crate) fn unset(&self) -> &[Problem] {
        match self {
            Self::Code => &[],
            Self::File(origin) => &origin.unset,
        }
    }

    /// `file:line` of a key, to cite it in a problem elsewhere.
    pub(crate) fn cite(&self, path: &str) -> String {
        match self {
            Self::Code => "the code".to_owned(),
            Self::File(origin) => match origin.line(path) {
                Some(line) => format!("{}:{line}", origin.file.display()),
                None => origin.file.display().to_string(),
            },
        }
    }
}

/// `flows[1].params.zip`.
fn path_of(steps: &[Step]) -> String {
    steps.iter().fold(String::new(), |path, step| match step {
        Step::Key(key) if path.is_empty() => key.clone(),
        Step::Key(key) => format!("{path}.{key}"),
        Step::Item(index) => format!("{path}[{index}]"),
    })
}

impl FileOrigin {
    /// Returns the key's line, or that of the nearest enclosing key.
    fn line(&self, mut path: &str) -> Option<u64> {
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            if path.is_empty() {
                return None;
            }
            path = path.rfind(['.', '[']).and_then(|end| path.get(..end)).unwrap_or_default();
        }
    }
}

/// `; did you mean "…"?`, or `; known: …`, or nothing.
pub fn suggest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(wrong, known.iter().copied()) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if known.is_empty() || known.len() > 12 => String::new(),
        None => format!("; known: {}", known.join(", ")),
    }
}

/// Returns the known word for which `wrong` is most likely a typo.
pub(crate) fn nearest<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    let slips = |word: &str| strsim::damerau_levenshtein(&lower, &word.to_lowercase());
    let (slips, word) =
        known.into_iter().map(|word| (slips(word), word)).min_by_key(|(slips, _)| *slips)?;
    (slips <= 1.max(wrong.chars().count().max(word.chars().count()) / 4)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn a_slip_gets_a_suggestion_and_a_stranger_does_not() {
        assert_eq!(
            suggest("AvgStuScor", ["AvgStuScore", "Print"]),
            "; did you mean \"AvgStuScore\"?"
        );
        assert_eq!(suggest("save", ["Save", "Load"]), "; did you mean \"Save\"?");
        assert_eq!(suggest("Kafka", ["redis", "memory"]), "; known: redis, memory");
        assert_eq!(suggest("x", []), "");
    }
}
