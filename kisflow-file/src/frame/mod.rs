//! [`Framer`]: bytes to rows, from any source and in pieces of any size.

mod csv;
mod fault;
mod framer;
mod json;
mod lines;
mod overlong;
mod places;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use kisflow_core::{Batch, CsvForm};

pub use self::csv::Trim;
use self::json::{Found, Values};
pub(crate) use self::{
    csv::{Csv, CsvOptions},
    framer::Framer,
    json::Json,
    places::Places,
};

/// A batch with this many bytes is handed out before it has all its rows.
const BATCH_BYTES: usize = 1 << 20;
/// How much is read at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// How bytes are cut into rows.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    /// `None`: a row is a line, or a JSON value.
    pub(crate) csv: Option<Csv>,
    pub(crate) json: Json,
    /// The longest line that is a row.
    pub(crate) limit: usize,
    /// How long whole lines wait for the end of a quote without further bytes.
    pub(crate) quiet: Duration,
}

/// The form of rows.
#[derive(Clone, Copy)]
enum Layout {
    /// Unknown before the beginning of the text.
    Unknown,
    /// A line, or a CSV record.
    Lines,
    /// A JSON value.
    Values(Values),
}

/// Rows that were found, with what is needed beyond lines.
enum Made {
    Lines,
    Csv(csv::Made),
    Values(Found),
}

/// Rows, with their places.
pub(crate) struct Cut {
    pub(crate) batch: Batch,
    pub(crate) places: Places,
    /// Where the next rows begin.
    pub(crate) end: u64,
}

/// When rows are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// When the batch is full.
    Full,
    /// As many as there are. A second call without a `push` in between, after the framing's wait,
    /// also returns rows that wait for the end of a quote.
    Any,
}

/// The rows at the beginning of a buffer.
struct Scan {
    /// Where the rows end.
    end: usize,
    rows: usize,
    stop: Stop,
}

/// Why a scan ended where it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// These are as many rows as were asked for.
    Full,
    /// What follows is not complete.
    Short,
    /// What follows is incomplete, and may stay so: a quote is open, and other lines follow.
    Open,
    /// What follows is too long, or not a JSON value.
    Overlong,
    /// What follows is a hole: NUL bytes before a line.
    Hole,
}

/// Text in which to find rows.
#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a [u8],
    /// The longest line that is a row.
    limit: usize,
    /// Whether no more will come.
    ended: bool,
    /// Whether to stop waiting once a line is complete.
    quiet: bool,
}

impl Layout {
    fn of(framing: &Framing) -> Self {
        match framing.json {
            Json::Never => Self::Lines,
            Json::Always => Self::Values(Values::default()),
            Json::ByContent { .. } => Self::Unknown,
        }
    }
}

impl Source<'_> {
    fn from(self, at: usize) -> Self {
        Self { text: self.text.get(at..).unwrap_or_default(), ..self }
    }
}

/// Returns whether text begins like UTF-16 (or UTF-32).
pub(crate) fn is_utf16(front: &[u8]) -> bool {
    front.starts_with(b"\xFF\xFE") || front.starts_with(b"\xFE\xFF")
}

/// One line of CSV as JSON.
///
/// # Errors
///
/// What is wrong with the line, or with the form.
pub(crate) fn csv_row(form: &CsvForm, line: &str) -> Result<String, String> {
    Csv::of_form(form)?.row(line)
}

/// Returns whether a line is blank.
fn is_blank(line: &[u8]) -> bool {
    // A row starts with its first character more often than not: one look, no search.
    line.first().is_none_or(u8::is_ascii_whitespace) && line.trim_ascii().is_empty()
}

/// Pieces of one buffer, each ending where `ends` says.
fn pieces(buffer: Bytes, ends: Vec<usize>) -> impl Iterator<Item = Bytes> {
    let mut start = 0;
    ends.into_iter().map(move |end| buffer.slice(std::mem::replace(&mut start, end)..end))
}
