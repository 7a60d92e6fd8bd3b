//! A problem with the lines of its file around it, as a good compiler shows one.

use std::fs;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use kisflow_core::Problem;

/// Lines that are shown before and after the one that is meant.
const AROUND: usize = 2;

/// Every problem, and how many there are.
pub(crate) fn render_all(problems: &[Problem]) -> String {
    let mut text: String = problems.iter().map(|problem| render(problem) + "\n\n").collect();
    text.insert_str(0, &format!("{}\n\n", count(problems)));
    text.truncate(text.trim_end().len());
    text
}

/// How many there are.
pub(crate) fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem in the conf".to_owned(),
        count => format!("{count} problems in the conf"),
    }
}

fn render(problem: &Problem) -> String {
    let renderer = Renderer::styled();
    let title = Level::ERROR.primary_title(problem.message.as_str());
    let Some(file) = &problem.file else {
        let path = format!("in {}", problem.path);
        let note = Level::NOTE.message(path.as_str());
        return renderer.render(&[title.element(note)]);
    };
    let path = file.display().to_string();
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = problem.line.and_then(|line| usize::try_from(line).ok());
    match line.and_then(|line| Excerpt::new(&text, line)) {
        Some(excerpt) => {
            let annotation =
                AnnotationKind::Primary.span(excerpt.span).label(problem.path.as_str());
            let snippet = Snippet::source(excerpt.text)
                .line_start(excerpt.first)
                .path(path.as_str())
                .fold(false)
                .annotation(annotation);
            renderer.render(&[title.element(snippet)])
        }
        None => {
            let place = annotate_snippets::Origin::path(path.as_str());
            renderer.render(&[title.element(place)])
        }
    }
}

/// A few lines of a file.
struct Excerpt<'a> {
    text: &'a str,
    /// The number of its first line.
    first: usize,
    /// The line that is meant, without the blanks around it, as bytes of `text`.
    span: std::ops::Range<usize>,
}

impl<'a> Excerpt<'a> {
    /// `None` when the file has no such line.
    fn new(file: &'a str, line: usize) -> Option<Self> {
        let index = line.checked_sub(1)?;
        let mut starts = vec![0];
        starts.extend(file.match_indices('\n').map(|(end, _)| end + 1));
        let start = |index: usize| starts.get(index).copied().unwrap_or(file.len());
        let first = index.saturating_sub(AROUND);
        let meant = file.get(start(index)..start(index + 1))?;
        if start(index) == file.len() {
            return None;
        }
        let text = file.get(start(first)..start(index + 1 + AROUND))?;
        let blanks = meant.len() - meant.trim_start().len();
        let from = start(index) - start(first) + blanks;
        let to = from + meant.trim().len();
        Some(Self { text: text.trim_end(), first: first + 1, span: from..to })
    }
}

#[cfg(test)]
mod tests {
    use super::Excerpt;

    fn check(line: usize, text: &str, meant: &str) {
        let file = "one\ntwo\n  three \nfour\nfive\nsix\n";
        let excerpt = Excerpt::new(file, line).unwrap();
        assert_eq!(excerpt.text, text);
        assert_eq!(&excerpt.text[excerpt.span], meant);
    }

    #[test]
    fn an_excerpt_has_the_lines_around_the_one_that_is_meant() {
        check(3, "one\ntwo\n  three \nfour\nfive", "three");
        check(1, "one\ntwo\n  three", "one");
        check(6, "four\nfive\nsix", "six");
    }

    #[test]
    fn a_line_that_the_file_does_not_have_is_not_shown() {
        assert!(Excerpt::new("one\n", 0).is_none());
        assert!(Excerpt::new("one\n", 2).is_none());
        assert!(Excerpt::new("", 1).is_none());
    }
}
