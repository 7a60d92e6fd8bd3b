//! [`Overlong`]: something that is not a row and may be longer than one; only its beginning is
//! kept.

/// How much of it is kept.
const HEAD: usize = 1024;

/// Something that is not a row and may be longer than one: its beginning and length; the rest is
/// dropped.
pub(super) struct Overlong {
    /// Where it begins.
    pub(super) start: u64,
    head: Vec<u8>,
    length: u64,
    end: End,
    /// What is wrong with it, if not its length.
    cause: Option<String>,
    /// How much of it is kept.
    keep: usize,
}

/// Where it ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// At a line feed.
    Line,
    /// At a line feed or a carriage return.
    LineOrReturn,
    /// With a JSON value.
    Value(Nested),
    /// Where a JSON value may begin again.
    Resync(Resync),
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// Its end has not come.
    More,
    /// Its end has come.
    Whole,
    /// The text ends within it.
    BrokenOff,
}

impl Overlong {
    /// `limit` is how long a row may be.
    pub(super) fn new(start: u64, end: End, cause: Option<String>, limit: usize) -> Self {
        let keep = if cause.is_some() { limit } else { HEAD };
        Self { start, head: Vec::new(), length: 0, end, cause, keep }
    }

    /// Adds more of it. Returns how many bytes belong to it, and whether that is all.
    pub(super) fn feed(&mut self, buffer: &[u8], ended: bool) -> (usize, Fed) {
        // Its own bytes, and with what ends it.
        let (own, used) = match &mut self.end {
            End::Line => split(memchr::memchr(b'\n', buffer)),
            End::LineOrReturn => split(memchr::memchr2(b'\n', b'\r', buffer)),
            End::Value(nested) => nested.end(buffer),
            End::Resync(resync) => resync.end(buffer),
        }
        .unwrap_or((buffer.len(), usize::MAX));
        let text = buffer.get(..own).unwrap_or(buffer);
        let missing = self.keep.saturating_sub(self.head.len());
        self.head.extend_from_slice(text.get(..missing).unwrap_or(text));
        self.length += text.len() as u64;
        let fed = match used <= buffer.len() {
            true => Fed::Whole,
            false if ended => Fed::BrokenOff,
            false => Fed::More,
        };
        (used.min(buffer.len()), fed)
    }

    /// Its beginning, and what is wrong with it.
    pub(super) fn row(self, limit: usize) -> (Vec<u8>, String) {
        let (mut row, length) = (self.head, self.length);
        // An incomplete last character is dropped.
        if row.len() as u64 != length
            && let Err(error) = std::str::from_utf8(&row)
            && error.error_len().is_none()
        {
            row.truncate(error.valid_up_to());
        }
        if let Some(cause) = self.cause {
            row.truncate(row.trim_ascii_end().len());
            return (row, cause);
        }
        let what = if matches!(self.end, End::Value(_)) { "value" } else { "line" };
        let cause = format!(
            "the {what} has {length} bytes, more than the {limit} of `max_line_bytes`; the first {} are kept",
            row.len()
        );
        (row, cause)
    }
}

fn split(end: Option<usize>) -> Option<(usize, usize)> {
    end.map(|end| (end, end + 1))
}

/// How deep in a JSON value a text is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nested {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Nested {
    /// Where the value ends, if it does.
    fn end(&mut self, buffer: &[u8]) -> Option<(usize, usize)> {
        for (at, byte) in buffer.iter().enumerate() {
            let was_text = self.in_text;
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_text => self.escaped = true,
                b'"' => self.in_text = !self.in_text,
                _ if self.in_text => {}
                b'{' | b'[' => self.depth += 1,
                // Behind a number, which nothing else ends.
                b',' | b']' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {
                    return Some((at, at));
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => continue,
            }
            let has_closed = matches!(byte, b'}' | b']') && !was_text || was_text && !self.in_text;
            if self.depth == 0 && has_closed {
                return Some((at + 1, at + 1));
            }
        }
        None
    }
}

/// Where a JSON value may begin after a broken one: at a line that is indented no further than the
/// broken value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resync {
    /// How many bytes of the value to pass first.
    skip: usize,
    /// The column in which it began.
    from: usize,
    column: usize,
    /// Whether only blanks come before this in its line.
    is_blank: bool,
}

impl Resync {
    /// A value that begins in this column, and is broken after this many bytes.
    pub(super) fn new(skip: usize, from: usize) -> Self {
        Self { skip: skip.max(1), from, column: from, is_blank: false }
    }

    fn end(&mut self, buffer: &[u8]) -> Option<(usize, usize)> {
        for (at, byte) in buffer.iter().enumerate() {
            let may_end = self.is_blank && self.skip == 0 && self.column <= self.from;
            match byte {
                b'\n' => (self.column, self.is_blank) = (0, true),
                b'{' | b'[' | b']' if may_end => return Some((at, at)),
                // Its own end.
                b'}' if may_end => return Some((at + 1, at + 1)),
                blank => {
                    self.column += 1;
                    self.is_blank &= blank.is_ascii_whitespace();
                }
            }
            self.skip = self.skip.saturating_sub(1);
        }
        None
    }
}
