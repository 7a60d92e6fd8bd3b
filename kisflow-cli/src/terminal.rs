//! What is printed: text with colours where they belong, JSON, and how wide a line may be.

use std::io::{self, IsTerminal, Write};

use console::Term;
use serde::Serialize;

use crate::{
    failure::Failure,
    text::{harmless_json, styled},
};

/// Prints text that ends in a line end; its colours only on a terminal, and never with `NO_COLOR`.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let text = if io::stdout().is_terminal() { styled(text) } else { text.to_owned() };
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::io("cannot write to standard output", &error))
}

/// Prints JSON, indented.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&(json(value)? + "\n"))
}

/// JSON, indented, with nothing in it that a terminal would obey.
pub(crate) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::because(&error))?;
    Ok(harmless_json(&text))
}

/// Says something beside the results, on standard error. Where that cannot be written there is
/// nobody to be told.
pub(crate) fn say(text: &str) {
    let text = if io::stderr().is_terminal() { styled(text) } else { text.to_owned() };
    let mut stderr = anstream::stderr().lock();
    stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()).ok();
}

/// How wide a line may be: nothing where the output is no terminal.
pub(crate) fn width() -> Option<u16> {
    io::stdout().is_terminal().then(|| Term::stdout().size().1)
}

/// How wide a line of standard error may be: nothing where that is no terminal.
pub(crate) fn error_width() -> Option<u16> {
    io::stderr().is_terminal().then(|| Term::stderr().size().1)
}

/// Whether somebody watches: standard error is a terminal that can move its cursor.
pub(crate) fn is_watched() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stderr().is_terminal() && !dumb
}
