//! [`Rows`]: a body as rows, every one of them checked to be JSON.

use std::{ops::Range, sync::Arc};

use bytes::{Buf, Bytes};
use kisflow_core::{Batch, json_value_end};
use serde::de::IgnoredAny;

use crate::{csv, memory::Held, refusal::Refusal};

/// How rows stand in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One a line.
    Lines,
    /// An array of rows, or one object.
    Json,
    /// Records, whose header line gives the names.
    Csv,
}

/// The rows of a body, in place; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    body: Bytes,
    /// Where each row begins and ends. A table of slices would be four times as large, and a row may
    /// have two bytes. (Bodies are at most 1 GiB.)
    spans: Arc<[(u32, u32)]>,
    /// Whether nothing but blanks stands between rows.
    lines: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl Rows {
    /// Finds the rows, and checks all of them.
    pub(crate) fn read(
        mut body: Bytes,
        format: Option<Format>,
        held: &mut Held,
    ) -> Result<Self, Refusal> {
        if body.starts_with(BYTE_ORDER_MARK) {
            body.advance(BYTE_ORDER_MARK.len());
        }
        if format == Some(Format::Csv) {
            let (rows, spans) = csv::rows(&body, held)?;
            return Ok(Self { body: rows, spans: spans.into(), lines: true });
        }
        let lines = format.unwrap_or_else(|| guess(&body)) == Format::Lines;
        let spans = if lines { lines_of(&body) } else { json_of(&body) }?;
        let rows = Self { body, spans: spans.into(), lines };
        rows.check_text()?;
        Ok(rows)
    }

    /// The whole body, decompressed.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Some of the rows, each a slice of the body.
    pub(crate) fn slices(&self, rows: Range<usize>) -> impl Iterator<Item = Bytes> {
        let spans = self.spans.get(rows).unwrap_or_default();
        spans.iter().map(|(start, end)| self.body.slice(*start as usize..*end as usize))
    }

    /// Some of the rows as a batch of their own.
    pub(crate) fn batch(&self, rows: Range<usize>) -> Batch {
        let spans = self.spans.get(rows.clone()).unwrap_or_default();
        match (self.lines, spans.first(), spans.last()) {
            (true, Some((start, _)), Some((_, end))) => {
                Batch::ndjson(self.body.slice(*start as usize..*end as usize))
            }
            _ => Batch::json(self.slices(rows)),
        }
    }

    /// serde_json steps over texts without looking whether they are UTF-8.
    fn check_text(&self) -> Result<(), Refusal> {
        if std::str::from_utf8(&self.body).is_ok() {
            return Ok(());
        }
        let text = |row: Bytes| std::str::from_utf8(&row).is_ok();
        let row = self.slices(0..self.len()).position(|row| !text(row)).unwrap_or_default();
        let start = self.spans.get(row).map_or(0, |(start, _)| *start as usize);
        Err(Refusal::Row {
            row,
            line: line_at(&self.body, start),
            cause: "it is not UTF-8".to_owned(),
        })
    }
}

/// How rows stand in a body that does not say: by its first character.
fn guess(body: &[u8]) -> Format {
    match body.trim_ascii_start().first() {
        Some(b'[') => Format::Json,
        // One object that fills the body may stand on many lines.
        Some(b'{') if first_value(body).is_ok_and(|end| rest(body, end).is_empty()) => Format::Json,
        _ => Format::Lines,
    }
}

fn lines_of(body: &[u8]) -> Result<Vec<(u32, u32)>, Refusal> {
    let mut spans = Vec::new();
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', body).chain([body.len()]);
    for (index, end) in ends.enumerate() {
        let line = body.get(start..end).unwrap_or_default();
        let row = line.trim_ascii();
        if !row.is_empty() {
            let bad = |error: serde_json::Error| Refusal::Row {
                row: spans.len(),
                line: index + 1,
                cause: cause(&error),
            };
            serde_json::from_slice::<IgnoredAny>(row).map_err(bad)?;
            let start = end - line.trim_ascii_start().len();
            spans.push(span(start, start + row.len()));
        }
        start = end + 1;
    }
    Ok(spans)
}

fn json_of(body: &[u8]) -> Result<Vec<(u32, u32)>, Refusal> {
    match body.trim_ascii_start().first() {
        Some(b'[') => array_of(body),
        Some(b'{') => object_of(body),
        Some(_) => Err(shape("the body is no JSON array and no JSON object")),
        None => Err(shape("the body is empty, which is no JSON")),
    }
}

fn object_of(body: &[u8]) -> Result<Vec<(u32, u32)>, Refusal> {
    let end = first_value(body).map_err(|error| bad_row(body, 0, 0, &error))?;
    match rest(body, end).is_empty() {
        true => Ok(vec![span(0, end)]),
        false => Err(shape(
            "more stands behind the JSON object; a row a line is `content-type: application/x-ndjson`",
        )),
    }
}

fn array_of(body: &[u8]) -> Result<Vec<(u32, u32)>, Refusal> {
    let mut spans = Vec::new();
    let mut at = skip(body, 0) + 1;
    if rest(body, at).first() == Some(&b']') {
        at = skip(body, at) + 1;
    } else {
        loop {
            let start = skip(body, at);
            let row = body.get(start..).unwrap_or_default();
            let length =
                first_value(row).map_err(|error| bad_row(body, spans.len(), start, &error))?;
            spans.push(span(start, start + length));
            let next = skip(body, start + length);
            at = next + 1;
            match body.get(next) {
                Some(b',') => {}
                Some(b']') => break,
                found => {
                    let line = line_at(body, next);
                    let what = if found.is_some() {
                        "is followed by neither `,` nor `]`"
                    } else {
                        "is the last of an array that breaks off"
                    };
                    return Err(shape(&format!("row {} (line {line}) {what}", spans.len() - 1)));
                }
            }
        }
    }
    match rest(body, at).is_empty() {
        true => Ok(spans),
        false => Err(shape(
            "more stands behind the JSON array; a row a line is `content-type: application/x-ndjson`",
        )),
    }
}

/// Where the first JSON value ends.
fn first_value(text: &[u8]) -> Result<usize, serde_json::Error> {
    if text.trim_ascii_start().is_empty() {
        return Err(serde::de::Error::custom("it breaks off"));
    }
    json_value_end(text)
}

/// The first position from `at` on that is no blank.
fn skip(body: &[u8], at: usize) -> usize {
    body.len() - rest(body, at).len()
}

/// What stands from `at` on, without the blanks before it.
fn rest(body: &[u8], at: usize) -> &[u8] {
    body.get(at..).unwrap_or_default().trim_ascii_start()
}

fn bad_row(body: &[u8], row: usize, start: usize, error: &serde_json::Error) -> Refusal {
    let line = line_at(body, start) + error.line().saturating_sub(1);
    Refusal::Row { row, line, cause: cause(error) }
}

fn shape(what: &str) -> Refusal {
    Refusal::Shape { what: what.to_owned() }
}

/// The line of a position, from 1.
pub(crate) fn line_at(body: &[u8], at: usize) -> usize {
    memchr::memchr_iter(b'\n', body.get(..at).unwrap_or(body)).count() + 1
}

/// What serde_json says, with the column within the line of the row; the line it counts is its own.
fn cause(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    match error.column() {
        0 => what.to_owned(),
        column => format!("{what} at column {column}"),
    }
}

/// A body is at most 1 GiB.
fn span(start: usize, end: usize) -> (u32, u32) {
    (start as u32, end as u32)
}
