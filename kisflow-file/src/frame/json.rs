//! Rows that are JSON values which span lines, or stand in one array.

use kisflow_core::json_value_end;

use super::{
    Scan, Source, Stop,
    overlong::{End, Nested, Resync},
};

/// Whether rows are such values, where a conf does not say how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Json {
    Never,
    Always,
    /// As the text begins. With `arrays` a line that is an array by itself has rows in it, if it is
    /// all there is.
    ByContent {
        arrays: bool,
    },
}

/// How far the values of a text were read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Values {
    /// Whether what follows stands in an array.
    pub(super) inside: bool,
    /// How many bytes of its line have come before what follows.
    column: usize,
}

/// The values at the beginning of a text.
pub(super) struct Found {
    /// Where each begins and ends.
    pub(super) spans: Vec<(usize, usize)>,
    /// What holds behind them.
    pub(super) behind: Values,
    /// How what follows ends, and what is wrong with it, if it is no row.
    pub(super) broken: Option<(End, Option<String>)>,
}

impl Values {
    /// The rows at the beginning of a text, at most so many.
    pub(super) fn scan(self, source: Source<'_>, rows: usize) -> (Scan, Found) {
        let mut scan = Scan { end: 0, rows: 0, stop: Stop::Short };
        let mut found = Found { spans: Vec::new(), behind: self, broken: None };
        let mut now = self;
        let mut at = 0;
        loop {
            at = now.step(source.text, at);
            if scan.rows == 0 {
                (scan.end, found.behind) = (at, now.moved(source.text, at));
            }
            if source.text.get(at) == Some(&0) {
                scan.stop = Stop::Hole;
                return (scan, found);
            }
            match value(source.from(at)) {
                Value::Row(length) => {
                    found.spans.push((at, at + length));
                    at += length;
                    scan.rows += 1;
                    (scan.end, found.behind) = (at, now.moved(source.text, at));
                }
                Value::Short => return (scan, found),
                Value::Broken { at: error, cause } => {
                    let column = now.moved(source.text, at).column;
                    found.broken = Some((End::Resync(Resync::new(error, column)), Some(cause)));
                    scan.stop = Stop::Overlong;
                    return (scan, found);
                }
                Value::TooLong => {
                    found.broken = Some((End::Value(Nested::default()), None));
                    scan.stop = Stop::Overlong;
                    return (scan, found);
                }
            }
            if scan.rows == rows {
                scan.stop = Stop::Full;
                return (scan, found);
            }
        }
    }

    /// Steps over what stands between values.
    fn step(&mut self, text: &[u8], mut at: usize) -> usize {
        while let Some(byte) = text.get(at) {
            match (byte, self.inside) {
                (b'[', false) => self.inside = true,
                (b']', true) => self.inside = false,
                (b',', true) => {}
                (blank, _) if blank.is_ascii_whitespace() => {}
                _ => break,
            }
            at += 1;
        }
        at
    }

    /// What holds behind so many bytes.
    pub(super) fn moved(self, text: &[u8], bytes: usize) -> Self {
        let before = text.get(..bytes).unwrap_or(text);
        let column = match memchr::memrchr(b'\n', before) {
            Some(line) => before.len() - line - 1,
            None => self.column + before.len(),
        };
        Self { column, ..self }
    }
}

enum Value {
    /// A row of so many bytes.
    Row(usize),
    Short,
    /// No JSON from this byte on.
    Broken {
        at: usize,
        cause: String,
    },
    TooLong,
}

/// The value at the beginning of a text. The same wherever the text is cut.
fn value(source: Source<'_>) -> Value {
    let Source { text, limit, ended, .. } = source;
    let Some(first) = text.first() else { return Value::Short };
    let window = text.get(..limit.saturating_add(1)).unwrap_or(text);
    match json_value_end(window) {
        Ok(length) if length > limit => Value::TooLong,
        // More digits may come.
        Ok(length) if length == text.len() && !ended && !matches!(first, b'{' | b'[' | b'"') => {
            Value::Short
        }
        Ok(length) => Value::Row(length),
        Err(error) if error.is_eof() && text.len() > limit => Value::TooLong,
        Err(error) if error.is_eof() && !ended => Value::Short,
        Err(error) => Value::Broken { at: offset(window, &error), cause: error.to_string() },
    }
}

/// Where an error was found.
fn offset(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = error.line().saturating_sub(1);
    let start = match lines.checked_sub(1) {
        Some(line) => memchr::memchr_iter(b'\n', text).nth(line).map_or(text.len(), |end| end + 1),
        None => 0,
    };
    (start + error.column().saturating_sub(1)).min(text.len())
}

/// Whether the rows of a text are values that span lines or stand in an array, by its beginning;
/// `None` where more of it must be known.
pub(super) fn guess(source: Source<'_>, arrays: bool) -> Option<bool> {
    let Source { text, limit, ended, quiet } = source;
    let rest = text.trim_ascii_start();
    let undecided = (ended || quiet || rest.len() > limit).then_some(false);
    let Some(first @ (b'{' | b'[')) = rest.first() else {
        return if rest.is_empty() && !ended { None } else { Some(false) };
    };
    // What is longer than a row may be is not looked at, however much of it is there.
    let window = rest.get(..limit.saturating_add(1)).unwrap_or(rest);
    let line = match memchr::memchr(b'\n', window) {
        Some(end) => window.get(..end).unwrap_or_default(),
        None if ended || rest.len() > limit => window,
        None => return None,
    };
    match json_value_end(line) {
        Ok(end) => {
            let is_whole = line.get(end..).unwrap_or_default().trim_ascii().is_empty();
            if *first == b'{' || !arrays || !is_whole {
                return Some(false);
            }
            // Where nothing follows, it is an array of rows; else each line is a row.
            match rest.get(line.len()..).unwrap_or_default().trim_ascii().is_empty() {
                true if ended => Some(true),
                true if quiet => Some(false),
                true => None,
                false => Some(false),
            }
        }
        Err(error) if !error.is_eof() && (*first == b'{' || !arrays) => Some(false),
        Err(_) => {
            // The first value tells: that an array has more of them need not be known.
            let value = match first {
                b'[' => window.get(1..).unwrap_or_default().trim_ascii_start(),
                _ => window,
            };
            match json_value_end(value) {
                Err(error) if value.first() != Some(&b']') => match error.is_eof() {
                    // An array that breaks off within its first row.
                    true if ended && *first == b'[' && rest.len() <= limit => Some(true),
                    true => undecided,
                    false => Some(false),
                },
                _ => Some(true),
            }
        }
    }
}
