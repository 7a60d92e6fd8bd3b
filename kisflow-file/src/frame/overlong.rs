//! [`Overlong`]: a line that is longer than a row may be.

/// How much of it is kept.
const HEAD: usize = 1024;

/// A line that is longer than a row may be: its beginning and length, the rest is let go.
pub(super) struct Overlong {
    /// Where it begins.
    pub(super) start: u64,
    head: Vec<u8>,
    length: u64,
}

impl Overlong {
    pub(super) fn new(start: u64) -> Self {
        Self { start, head: Vec::new(), length: 0 }
    }

    /// More of it. How many bytes belong to it, and whether its end is among them.
    pub(super) fn feed(&mut self, buffer: &[u8], ended: bool) -> (usize, bool) {
        let end = memchr::memchr(b'\n', buffer);
        let line = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        let missing = HEAD - self.head.len();
        self.head.extend_from_slice(line.get(..missing).unwrap_or(line));
        self.length += line.len() as u64;
        (line.len() + usize::from(end.is_some()), end.is_some() || ended)
    }

    /// Its beginning and what became of the rest. That is no JSON, whatever the beginning is: it
    /// closes no text that is open, and nothing may follow a value that is complete.
    pub(super) fn row(self, limit: usize) -> Vec<u8> {
        let mut row = self.head;
        // A character that the cut went through is left out.
        if let Err(error) = std::str::from_utf8(&row)
            && error.error_len().is_none()
        {
            row.truncate(error.valid_up_to());
        }
        let (kept, length) = (row.len(), self.length);
        let note = format!(
            " … (the first {kept} bytes of a line of {length} bytes, which is longer than the {limit} of `max_line_bytes`)"
        );
        row.extend_from_slice(note.as_bytes());
        row
    }
}
