//! [`Framer`]: bytes to rows, wherever the bytes come from and however they are cut.

mod csv;
mod lines;
mod overlong;
mod places;
mod record;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use kisflow_core::Batch;

use self::overlong::Overlong;
pub(crate) use self::{csv::Csv, places::Places};
use crate::error::FileError;

/// A batch is handed out with fewer rows than it may have when it has so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// What is read at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// How bytes are cut into rows.
#[derive(Clone, Debug)]
pub(crate) struct Framing {
    /// `None`: a row is a line.
    pub(crate) csv: Option<Csv>,
    /// The longest line that is a row.
    pub(crate) limit: usize,
}

/// Takes bytes as they come and cuts them into rows. What it holds is bounded by the longest line,
/// the largest batch and one chunk.
pub(crate) struct Framer {
    path: Arc<str>,
    framing: Framing,
    /// What was not handed out yet.
    buffer: BytesMut,
    /// Where that begins in the file.
    offset: u64,
    /// Whether the place where a byte-order mark may be is behind us.
    past_mark: bool,
    /// A line that is too long, whose end has not come yet.
    overlong: Option<Overlong>,
    /// NUL bytes before lines, which were passed over and not told of yet.
    skipped: u64,
    ended: bool,
}

/// Rows, with where they came from.
pub(crate) struct Cut {
    pub(crate) batch: Batch,
    pub(crate) places: Places,
    /// Where the next rows begin.
    pub(crate) end: u64,
}

/// When rows are handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// When there are as many as may travel together.
    Full,
    /// As many as there are.
    Any,
}

/// What stands at the beginning of a buffer.
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
    /// What follows is a line that is too long.
    Overlong,
    /// What follows is a hole: NUL bytes before a line.
    Hole,
}

impl Framer {
    pub(crate) fn new(path: Arc<str>, framing: Framing) -> Self {
        Self {
            path,
            framing,
            buffer: BytesMut::new(),
            offset: 0,
            past_mark: false,
            overlong: None,
            skipped: 0,
            ended: false,
        }
    }

    /// Another file, from its first byte.
    pub(crate) fn restart(&mut self) {
        self.buffer.clear();
        (self.offset, self.past_mark, self.overlong, self.ended) = (0, false, None, false);
        if let Some(csv) = &mut self.framing.csv {
            csv.forget_header();
        }
    }

    /// Another file, from a line in its midst; `front` is its beginning, which may have a header.
    /// Whether that can be: not before the header is complete.
    ///
    /// # Errors
    ///
    /// When the beginning is no text that can be read, or the header cannot be used.
    pub(crate) fn restart_at(&mut self, offset: u64, front: &[u8]) -> Result<bool, FileError> {
        self.restart();
        self.push(front);
        let learned = match self.has_header() {
            true => self.skip_mark().and_then(|past_mark| Ok(past_mark && self.learn()?)),
            false => Ok(true),
        };
        self.buffer.clear();
        (self.offset, self.past_mark) = (offset, true);
        learned
    }

    /// Whether the beginning of a file must be known to read it from its midst.
    pub(crate) fn has_header(&self) -> bool {
        self.framing.csv.as_ref().is_some_and(Csv::has_header)
    }

    pub(crate) fn limit(&self) -> usize {
        self.framing.limit
    }

    /// The bytes that come next.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Where what was not handed out yet begins in the file.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many NUL bytes before lines were passed over since this was asked last: a file that is
    /// truncated under a writer that does not append begins with a hole.
    pub(crate) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Whether nothing waits to be handed out.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// How many bytes to read next: as many again as are held, so that a long batch is not copied
    /// over and over.
    pub(crate) fn room(&self) -> usize {
        self.buffer.len().clamp(CHUNK, CHUNK + BATCH_BYTES)
    }

    /// No more bytes will come: what there is of the last line is the last row.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
    }

    /// Whether all rows were handed out, and no more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended && self.buffer.is_empty() && self.overlong.is_none()
    }

    /// The next rows, at most `rows`; `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// When the text is in UTF-16, or the header cannot be used. Nothing is handed out then.
    pub(crate) fn cut(&mut self, rows: usize, when: When) -> Result<Option<Cut>, FileError> {
        if !self.skip_mark()? {
            return Ok(None);
        }
        if self.overlong.is_none() {
            self.skip_hole();
        }
        if !self.learn()? {
            return Ok(None);
        }
        loop {
            if self.overlong.is_some() {
                return Ok(self.skip());
            }
            self.skip_hole();
            let (scan, made) = match &mut self.framing.csv {
                None => (lines::scan(&self.buffer, rows, self.framing.limit, self.ended), None),
                Some(csv) => {
                    let (scan, made) = csv.scan(&self.buffer, rows, self.framing.limit, self.ended);
                    (scan, Some(made))
                }
            };
            let full = scan.stop != Stop::Short || self.ended || scan.end >= BATCH_BYTES;
            if scan.rows > 0 && (full || when == When::Any) {
                return Ok(Some(self.take(scan.end, made)));
            }
            if scan.rows > 0 {
                return Ok(None);
            }
            // Blank lines.
            self.drop_front(scan.end);
            if self.buffer.first() == Some(&0) {
                continue;
            }
            if scan.stop != Stop::Overlong {
                return Ok(None);
            }
            self.overlong = Some(Overlong::new(self.offset));
        }
    }

    fn take(&mut self, end: usize, made: Option<csv::Made>) -> Cut {
        let start = self.offset;
        self.offset += end as u64;
        let (batch, places) = match made {
            Some(made) => {
                self.buffer.advance(end);
                made.into_rows(start)
            }
            None => {
                let lines = self.buffer.split_to(end).freeze();
                (Batch::ndjson(lines.clone()), Places::of_lines(start, lines))
            }
        };
        Cut { batch, places, end: self.offset }
    }

    /// Goes on through a line that is too long; its row when the end has come.
    fn skip(&mut self) -> Option<Cut> {
        let over = self.overlong.as_mut()?;
        let (used, complete) = over.feed(&self.buffer, self.ended);
        self.drop_front(used);
        if !complete {
            return None;
        }
        let over = self.overlong.take()?;
        let places = Places::of_starts(over.start, vec![0]);
        let batch = Batch::json([over.row(self.framing.limit)]);
        Some(Cut { batch, places, end: self.offset })
    }

    /// Steps over NUL bytes where a line begins.
    fn skip_hole(&mut self) {
        let hole = self.buffer.iter().take_while(|byte| **byte == 0).count();
        self.drop_front(hole);
        self.skipped += hole as u64;
    }

    fn drop_front(&mut self, bytes: usize) {
        self.buffer.advance(bytes.min(self.buffer.len()));
        self.offset += bytes as u64;
    }

    /// Steps over a byte-order mark. Whether it is known that there is none.
    fn skip_mark(&mut self) -> Result<bool, FileError> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        if self.past_mark {
            return Ok(true);
        }
        if is_utf16(&self.buffer) {
            return Err(FileError::utf16(&self.path));
        }
        let begun = |mark: &[u8]| mark.starts_with(&self.buffer) && mark.len() > self.buffer.len();
        if !self.ended && (begun(MARK) || begun(b"\xFF\xFE") || begun(b"\xFE\xFF")) {
            return Ok(false);
        }
        if self.buffer.starts_with(MARK) {
            self.drop_front(MARK.len());
        }
        self.past_mark = true;
        Ok(true)
    }

    /// Reads the header where one is due. Whether rows may follow.
    fn learn(&mut self) -> Result<bool, FileError> {
        let Some(csv) = &mut self.framing.csv else { return Ok(true) };
        if csv.knows_names() {
            return Ok(true);
        }
        let used = csv
            .learn(&self.buffer, self.framing.limit, self.ended)
            .map_err(|problem| FileError::header(&self.path, problem))?;
        self.drop_front(used);
        Ok(self.framing.csv.as_ref().is_some_and(Csv::knows_names))
    }
}

/// Whether text begins as UTF-16 (or UTF-32) does.
pub(crate) fn is_utf16(front: &[u8]) -> bool {
    front.starts_with(b"\xFF\xFE") || front.starts_with(b"\xFE\xFF")
}

/// Whether a line is no row.
fn is_blank(line: &[u8]) -> bool {
    // A row starts with its first character more often than not: one look, no search.
    line.first().is_none_or(u8::is_ascii_whitespace) && line.trim_ascii().is_empty()
}

/// Pieces of one buffer, each ending where `ends` says.
fn pieces(buffer: Bytes, ends: Vec<usize>) -> impl Iterator<Item = Bytes> {
    let mut start = 0;
    ends.into_iter().map(move |end| buffer.slice(std::mem::replace(&mut start, end)..end))
}
