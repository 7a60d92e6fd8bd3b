//! [`Margin`]: a terminal whose cursor rests before the last columns, which stay free.

use std::io;

use console::Term;
use indicatif::TermLike;

/// Room for the `^C` that a terminal writes where its cursor is: on the next line it would move the
/// view, and leave a part of it behind.
const FREE: u16 = 3;

/// Standard error, whose cursor rests before the last columns.
#[derive(Debug)]
pub(super) struct Margin(Term);

impl Margin {
    pub(super) fn new() -> Self {
        // Buffered: a view is written whole.
        Self(Term::buffered_stderr())
    }
}

/// How wide the view may be.
pub(super) fn width(terminal: u16) -> u16 {
    terminal.saturating_sub(FREE)
}

impl TermLike for Margin {
    fn width(&self) -> u16 {
        self.0.size().1
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    /// The end of what is drawn.
    fn flush(&self) -> io::Result<()> {
        self.0.move_cursor_left(FREE.into())?;
        self.0.flush()
    }
}
