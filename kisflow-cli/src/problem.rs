//! A problem with the lines of its file around it, as a good compiler shows one.

use std::fs;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use kisflow_core::{Problem, is_obeyed, redact_secrets};

use crate::{
    terminal,
    text::{counted, harmless, one_line},
};

/// Lines that are shown before and after the one that is meant.
const AROUND: usize = 2;

/// Every problem of the conf, and how many there are.
pub(crate) fn render_all(problems: &[Problem]) -> String {
    render_all_of("the conf", problems)
}

/// Every problem of a file, or of all of the conf, and how many there are.
pub(crate) fn render_all_of(what: &str, problems: &[Problem]) -> String {
    let renderer = match terminal::error_width() {
        Some(width) => Renderer::styled().term_width(width.into()),
        None => Renderer::styled(),
    };
    let mut text: String =
        problems.iter().map(|problem| render(problem, &renderer) + "\n\n").collect();
    text.insert_str(0, &format!("{} in {what}\n\n", counted(problems.len(), "problem")));
    text.truncate(text.trim_end().len());
    text
}

/// How many there are.
pub(crate) fn count(problems: &[Problem]) -> String {
    format!("{} in the conf", counted(problems.len(), "problem"))
}

/// Conf has any text in its keys and names; the renderer takes care of the lines of the file.
fn render(problem: &Problem, renderer: &Renderer) -> String {
    let (message, key) = (harmless(&problem.message), one_line(&problem.path));
    let title = Level::ERROR.primary_title(message.as_str());
    let Some(file) = &problem.file else {
        let path = format!("in {key}");
        let note = Level::NOTE.message(path.as_str());
        return renderer.render(&[title.element(note)]);
    };
    let path = one_line(&file.display().to_string());
    let text = redact_secrets(&fs::read_to_string(file).unwrap_or_default());
    // The renderer shows ASCII control characters as pictures, and no others.
    let is_left = |character: char| is_obeyed(character) && !character.is_ascii_control();
    let text = text.replace(is_left, "\u{fffd}");
    let line = problem.line.and_then(|line| usize::try_from(line).ok());
    match line.and_then(|line| Excerpt::new(&text, line)) {
        Some(excerpt) => {
            let annotation = AnnotationKind::Primary.span(excerpt.span).label(key.as_str());
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
    use std::fs;

    use annotate_snippets::Renderer;
    use kisflow_core::{Registry, is_obeyed};

    use super::{Excerpt, render};

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
    fn a_problem_does_not_move_the_cursor() {
        let dir = tempfile::tempdir().unwrap();
        let step = "  - {fname: \"a\\e[2J\\u009b1m\", \"\\e[2J\": 2}";
        let flow = format!("kistype: flow\nflow_name: F\nflows:\n{step}\n");
        fs::write(dir.path().join("flow.yml"), flow).unwrap();
        // YAML has no such character, but the line is shown.
        fs::write(dir.path().join("wrong.yml"), "kistype: \u{9b}2J\u{202e}\n").unwrap();
        let problems = Registry::new().inspect(dir.path()).problems;
        assert_eq!(problems.len(), 3, "{problems:?}");
        for problem in &problems {
            let text = render(problem, &Renderer::plain());
            let moves = |character: char| is_obeyed(character) && character != '\n';
            assert!(!text.contains(moves), "{text:?}");
        }
    }

    #[test]
    fn a_problem_shows_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let conf =
            "kistype: conn\ncname: C\ntype: redis\nparams:\n  password: hunter2\nlaod: [x]\n";
        fs::write(dir.path().join("conn.yml"), conf).unwrap();
        let problems = Registry::new().inspect(dir.path()).problems;
        let text: String =
            problems.iter().map(|problem| render(problem, &Renderer::plain())).collect();
        assert!(text.contains("password: (secret)") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_line_that_the_file_does_not_have_is_not_shown() {
        assert!(Excerpt::new("one\n", 0).is_none());
        assert!(Excerpt::new("one\n", 2).is_none());
        assert!(Excerpt::new("", 1).is_none());
    }
}
