//! [`Margin`]: a terminal with free columns at its right, which may change its size.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use console::{Term, measure_text_width};
use indicatif::TermLike;

/// Room for the `^C` that a terminal writes where its cursor is: on the next line it would move the
/// view, and leave a part of it behind.
const FREE: u16 = 3;

/// Standard error, whose last columns stay free.
#[derive(Debug)]
pub(super) struct Margin {
    term: Term,
    drawn: Mutex<Drawn>,
}

/// What stands on the terminal.
#[derive(Debug, Default)]
struct Drawn {
    /// How wide each line is.
    lines: Vec<usize>,
    /// The text that is being drawn.
    drawing: String,
    /// A line is complete; another may follow.
    ended: bool,
}

impl Margin {
    pub(super) fn new() -> Self {
        // Buffered: a view is written whole.
        Self { term: Term::buffered_stderr(), drawn: Mutex::default() }
    }

    fn drawn(&self) -> std::sync::MutexGuard<'_, Drawn> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How wide the view may be.
pub(super) fn width(terminal: u16) -> u16 {
    terminal.saturating_sub(FREE)
}

/// How many more lines these take on a terminal that has become so narrow, and breaks them.
fn broken(lines: &[usize], width: usize) -> usize {
    lines.iter().map(|line| line.div_ceil(width.max(1)).max(1) - 1).sum()
}

impl TermLike for Margin {
    fn width(&self) -> u16 {
        self.term.size().1
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    /// To the first line of what is drawn, with which every drawing begins. On a terminal that has
    /// become narrower that is further up, and the lines between would stay behind.
    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        let broken = broken(&std::mem::take(&mut self.drawn().lines), self.width().into());
        self.term.move_cursor_up(lines + broken)?;
        if broken > 0 {
            self.term.write_str("\r\u{1b}[J")?;
        }
        Ok(())
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.term.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.term.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.term.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.term.write_line(text)
    }

    /// A line is filled with blanks, so that the next begins below it. On a terminal that becomes
    /// narrower they would be broken as text is: the line is cleared instead, and ended.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut drawn = self.drawn();
        if text.trim_matches(' ').is_empty() {
            drawn.ended = true;
            return self.term.write_str("\u{1b}[K");
        }
        if std::mem::take(&mut drawn.ended) {
            drawn.drawing.push('\n');
            self.term.write_str("\r\n")?;
        }
        drawn.drawing.push_str(text);
        self.term.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }

    /// The end of what is drawn.
    fn flush(&self) -> io::Result<()> {
        let mut drawn = self.drawn();
        let drawing = std::mem::take(&mut drawn.drawing);
        drawn.ended = false;
        drawn.lines = match drawing.is_empty() {
            true => Vec::new(),
            false => drawing.split('\n').map(measure_text_width).collect(),
        };
        drop(drawn);
        self.term.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::broken;

    #[test]
    fn a_line_that_is_wider_than_the_terminal_takes_more_than_one() {
        let check = |lines: &[usize], width, more| assert_eq!(broken(lines, width), more);
        check(&[], 80, 0);
        check(&[0, 79, 80], 80, 0);
        check(&[0, 81, 160, 161], 80, 1 + 1 + 2);
        check(&[3], 0, 2);
    }
}
