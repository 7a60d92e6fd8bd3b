//! [`Record`]: one CSV record, taken apart.

use super::is_blank;

/// One record's fields, without quotes.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    text: Vec<u8>,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
}

/// What stands at the beginning of the text.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// A record.
    Whole(Extent),
    /// A record whose end has not come.
    Short,
    /// What is no record: text behind a closing quote. (Who reads on there makes one row of the
    /// lines between two stray quotes.)
    Broken,
}

/// How long a record is.
#[derive(Debug, PartialEq)]
pub(super) struct Extent {
    /// Without its line end.
    pub(super) content: usize,
    /// Without its line feed: what is known of it before that has come.
    pub(super) line: usize,
    /// With all of it.
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
    /// Behind a carriage return behind that quote.
    Return,
}

impl Record {
    /// Reads the record at the beginning of `input`; the end of the input ends it if the text has
    /// `ended`.
    pub(super) fn read(&mut self, input: &[u8], delimiter: u8, ended: bool) -> Read {
        self.text.clear();
        self.ends.clear();
        let mut at = At::Start;
        let mut position = 0;
        while let Some(&byte) = input.get(position) {
            at = match (at, byte) {
                (At::Quoted, b'"') => At::Closing,
                (At::Start, b'"') => At::Quoted,
                (At::Quoted, _) => {
                    position += self.run(input, position, |byte| byte == b'"');
                    continue;
                }
                (At::Closing, b'"') => {
                    self.text.push(byte);
                    At::Quoted
                }
                (_, b'\n') => return self.close(at, position, position + 1),
                (At::Return, _) => return Read::Broken,
                (_, byte) if byte == delimiter => {
                    self.ends.push(self.text.len());
                    At::Start
                }
                (At::Closing, b'\r') => At::Return,
                (At::Closing, _) => return Read::Broken,
                (At::Start | At::Plain, _) => {
                    position +=
                        self.run(input, position, |byte| byte == b'\n' || byte == delimiter);
                    at = At::Plain;
                    continue;
                }
            };
            position += 1;
        }
        match ended && at != At::Quoted && !input.is_empty() {
            true => self.close(at, input.len(), input.len()),
            false => Read::Short,
        }
    }

    /// Copies what comes before the next byte that means something; how much that is.
    fn run(&mut self, input: &[u8], from: usize, stop: impl Fn(u8) -> bool) -> usize {
        let rest = input.get(from..).unwrap_or_default();
        let len = rest.iter().position(|byte| stop(*byte)).unwrap_or(rest.len());
        self.text.extend_from_slice(rest.get(..len).unwrap_or_default());
        len
    }

    fn close(&mut self, at: At, line: usize, whole: usize) -> Read {
        // Only outside of quotes it is part of the line's end.
        let is_plain = at == At::Plain && self.text.pop_if(|last| *last == b'\r').is_some();
        self.ends.push(self.text.len());
        let content = line - usize::from(is_plain || at == At::Return);
        Read::Whole(Extent { content, line, whole })
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
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
    let line = memchr::memchr(b'\n', rest).or(ended.then_some(rest.len()))?;
    let text = rest.get(..line).unwrap_or_default();
    let content = text.strip_suffix(b"\r").unwrap_or(text).len();
    (line <= limit).then_some(Extent { content, line, whole: rest.len().min(line + 1) })
}
