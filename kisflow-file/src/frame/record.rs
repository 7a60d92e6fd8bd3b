//! [`Record`]: one CSV record, taken apart.

use super::is_blank;

/// One record's fields, without quotes.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    text: Vec<u8>,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
}

/// How records are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    /// The most lines of a record.
    pub(super) lines: usize,
}

/// What stands at the beginning of the text.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// A record.
    Whole(Extent),
    /// A record whose end has not come; the field, from 0, whose quote is open.
    Short { open: Option<usize> },
    /// No record: text stands behind the closing quote of this field. (To read on there would make
    /// one row of the lines between two stray quotes.)
    Behind(usize),
    /// No record: the quote of this field is not closed within as many lines as a record may have.
    Unclosed(usize),
}

/// How long a record or line is.
#[derive(Debug, PartialEq)]
pub(super) struct Extent {
    /// Without its line end.
    pub(super) content: usize,
    /// With its line end, as far as that has come: of `\r\n` the line feed may follow, as a blank
    /// line.
    pub(super) whole: usize,
}

/// Where in a field the reader is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// Behind a quote that closes the field, unless another follows.
    Closing,
}

impl Record {
    /// Reads the record at the beginning of `input`; the end of the input ends it if the text has
    /// `ended`.
    pub(super) fn read(&mut self, input: &[u8], dialect: Dialect, ended: bool) -> Read {
        self.text.clear();
        self.ends.clear();
        let mut at = At::Start;
        let mut position = 0;
        let mut lines = 1;
        while let Some(&byte) = input.get(position) {
            at = match (at, byte) {
                (At::Quoted, b'"') => At::Closing,
                (At::Start, b'"') => At::Quoted,
                (At::Quoted, _) => {
                    let rest = input.get(position..).unwrap_or_default();
                    let run = rest.get(..memchr::memchr(b'"', rest).unwrap_or(rest.len()));
                    let run = run.unwrap_or_default();
                    lines += line_ends(run);
                    if lines > dialect.lines {
                        return Read::Unclosed(self.ends.len());
                    }
                    self.text.extend_from_slice(run);
                    position += run.len();
                    continue;
                }
                (At::Closing, b'"') => {
                    self.text.push(byte);
                    At::Quoted
                }
                (_, b'\n' | b'\r') => {
                    self.ends.push(self.text.len());
                    return Read::Whole(Extent {
                        content: position,
                        whole: behind(input, position),
                    });
                }
                (_, byte) if byte == dialect.delimiter => {
                    self.ends.push(self.text.len());
                    At::Start
                }
                (At::Closing, _) => return Read::Behind(self.ends.len()),
                (At::Start | At::Plain, _) => {
                    let rest = input.get(position..).unwrap_or_default();
                    let run = rest.get(..plain(rest, dialect.delimiter)).unwrap_or_default();
                    self.text.extend_from_slice(run);
                    position += run.len();
                    at = At::Plain;
                    continue;
                }
            };
            position += 1;
        }
        if !ended || at == At::Quoted || input.is_empty() {
            return Read::Short { open: (at == At::Quoted).then_some(self.ends.len()) };
        }
        self.ends.push(self.text.len());
        Read::Whole(Extent { content: position, whole: position })
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn has_nul(&self) -> bool {
        memchr::memchr(0, &self.text).is_some()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            self.text.get(std::mem::replace(&mut start, *end)..*end).unwrap_or_default()
        })
    }

    /// Whether the record, which stands so in the text, is a blank line.
    pub(super) fn is_blank(&self, content: &[u8]) -> bool {
        self.ends.len() == 1 && is_blank(content)
    }
}

/// The first line by itself, if it is there and not too long.
pub(super) fn first_line(rest: &[u8], limit: usize, ended: bool) -> Option<Extent> {
    let line = memchr::memchr2(b'\n', b'\r', rest).or(ended.then_some(rest.len()))?;
    (line <= limit).then(|| Extent { content: line, whole: behind(rest, line).min(rest.len()) })
}

/// The position behind the line end at `position`.
fn behind(input: &[u8], position: usize) -> usize {
    let rest = input.get(position..).unwrap_or_default();
    position + if rest.starts_with(b"\r\n") { 2 } else { 1 }
}

/// How many lines end in the text, with `\n`, `\r\n` or `\r`.
fn line_ends(text: &[u8]) -> usize {
    let returns = |at: usize| text.get(at) == Some(&b'\r') && text.get(at + 1) == Some(&b'\n');
    memchr::memchr2_iter(b'\n', b'\r', text).filter(|at| !returns(*at)).count()
}

/// How many bytes come before the next that ends a field.
fn plain(text: &[u8], delimiter: u8) -> usize {
    /// Most fields end before a search has begun.
    const NEAR: usize = 16;
    let near = text.get(..NEAR).unwrap_or(text);
    let ends = |byte: &u8| *byte == delimiter || *byte == b'\n' || *byte == b'\r';
    near.iter().position(ends).unwrap_or_else(|| {
        let far = text.get(near.len()..).unwrap_or_default();
        near.len() + memchr::memchr3(delimiter, b'\n', b'\r', far).unwrap_or(far.len())
    })
}
