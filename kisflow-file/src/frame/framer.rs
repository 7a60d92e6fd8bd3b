//! [`Framer`]: takes bytes as they come and cuts them into rows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use kisflow_core::{Batch, RowNotes};

use super::{
    BATCH_BYTES, CHUNK, Csv, Cut, Framing, Json, Layout, Made, Places, Source, Stop, When,
    is_utf16,
    json::{self, Found, Values},
    lines,
    overlong::{End, Fed, Overlong},
};
use crate::error::FileError;

/// Takes bytes as they come and cuts them into rows. What it holds is bounded by the longest line,
/// the largest batch and one chunk.
pub(crate) struct Framer {
    path: Arc<str>,
    framing: Framing,
    /// Bytes that were not handed out yet.
    pub(super) buffer: BytesMut,
    /// Their offset in the file.
    offset: u64,
    /// Whether the place of a byte-order mark was passed.
    past_mark: bool,
    /// What a row is.
    layout: Layout,
    /// Something that is too long for a row, or not a row, and whose end has not come yet.
    overlong: Option<Overlong>,
    /// Skipped NUL bytes before lines that were not reported yet.
    skipped: u64,
    ended: bool,
    /// Whether whole lines wait for a quote to be closed.
    open: bool,
    /// Whether rows were asked for in vain since something came, and when that was.
    quiet: bool,
    grown: Instant,
}

impl Framer {
    pub(crate) fn new(path: Arc<str>, framing: Framing) -> Self {
        Self {
            path,
            layout: Layout::of(&framing),
            framing,
            buffer: BytesMut::new(),
            offset: 0,
            past_mark: false,
            overlong: None,
            skipped: 0,
            ended: false,
            open: false,
            quiet: false,
            grown: Instant::now(),
        }
    }

    /// Starts another file, at its first byte.
    pub(crate) fn restart(&mut self) {
        self.buffer.clear();
        (self.offset, self.past_mark, self.overlong, self.ended) = (0, false, None, false);
        (self.open, self.quiet) = (false, false);
        self.layout = Layout::of(&self.framing);
        if let Some(csv) = &mut self.framing.csv {
            csv.forget_header();
        }
    }

    /// Starts another file, at a line in the middle; `front` is its beginning, which may have a
    /// header. Returns whether it could: it needs the complete header.
    ///
    /// # Errors
    ///
    /// When the beginning is not readable text, or the header cannot be used.
    pub(crate) fn restart_at(&mut self, offset: u64, front: &[u8]) -> Result<bool, FileError> {
        self.restart();
        self.push(front);
        let learned = match self.needs_front() {
            true => self.skip_mark().and_then(|past_mark| {
                self.recall();
                Ok(past_mark && self.learn()?)
            }),
            false => Ok(true),
        };
        self.buffer.clear();
        (self.offset, self.past_mark) = (offset, true);
        learned
    }

    /// Returns whether the beginning of a file is needed to read it from the middle.
    pub(crate) fn needs_front(&self) -> bool {
        self.has_header() || self.framing.json != Json::Never
    }

    /// Whether the first record has names.
    pub(crate) fn has_header(&self) -> bool {
        self.framing.csv.as_ref().is_some_and(Csv::has_header)
    }

    pub(crate) fn limit(&self) -> usize {
        self.framing.limit
    }

    /// Adds the next bytes.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
        (self.quiet, self.grown) = (false, Instant::now());
    }

    /// Returns the offset of the bytes that were not handed out yet.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the number of NUL bytes before lines that were skipped since the last call: a file
    /// that is truncated under a writer that does not append begins with a hole.
    pub(crate) fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Whether nothing waits to be handed out.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// When to ask for [`When::Any`] row again though nothing has come, if whole lines wait for
    /// something that may never come: they are handed out then.
    pub(crate) fn held_up(&self) -> Option<Duration> {
        let left = self.framing.quiet.saturating_sub(self.grown.elapsed());
        self.open.then(|| left.max(Duration::from_millis(1)))
    }

    /// Returns how many bytes to read next: as many as it already holds, so that a long batch is
    /// not copied over and over.
    pub(crate) fn room(&self) -> usize {
        self.buffer.len().clamp(CHUNK, CHUNK + BATCH_BYTES)
    }

    /// Ends the input: the rest of the last line is the last row.
    pub(crate) fn finish(&mut self) {
        self.ended = true;
    }

    /// Returns whether all rows were handed out, and no more will come.
    pub(crate) fn is_finished(&self) -> bool {
        self.ended && self.buffer.is_empty() && self.overlong.is_none() && !self.is_inside()
    }

    /// Returns the next rows, at most `rows`; `None` if it needs more bytes.
    ///
    /// # Errors
    ///
    /// When the text is in UTF-16, or the header cannot be used. No rows are returned then.
    pub(crate) fn cut(&mut self, rows: usize, when: When) -> Result<Option<Cut>, FileError> {
        let cut = self.cut_rows(rows, when)?;
        self.quiet |= cut.is_none() && when == When::Any;
        Ok(cut)
    }

    /// Whether nothing more is waited for.
    fn is_quiet(&self) -> bool {
        self.quiet && self.grown.elapsed() >= self.framing.quiet
    }

    fn cut_rows(&mut self, rows: usize, when: When) -> Result<Option<Cut>, FileError> {
        self.open = false;
        let quiet = self.is_quiet();
        if !self.skip_mark()? {
            return Ok(None);
        }
        if self.overlong.is_none() {
            self.skip_hole();
        }
        if !self.decide(quiet) || !self.learn()? {
            return Ok(None);
        }
        loop {
            if self.overlong.is_some() {
                return Ok(self.skip());
            }
            self.skip_hole();
            let (limit, ended) = (self.framing.limit, self.ended);
            let source = Source { text: &self.buffer, limit, ended, quiet };
            let (scan, mut made) = match (&mut self.framing.csv, self.layout) {
                (_, Layout::Values(values)) => {
                    let (scan, found) = values.scan(source, rows);
                    (scan, Made::Values(found))
                }
                (None, _) => (lines::scan(&self.buffer, rows, limit, ended), Made::Lines),
                (Some(csv), _) => {
                    let (scan, made) = csv.scan(source, rows);
                    (scan, Made::Csv(made))
                }
            };
            self.open = scan.stop == Stop::Open;
            let full = !matches!(scan.stop, Stop::Short | Stop::Open)
                || self.ended
                || scan.end >= BATCH_BYTES;
            if scan.rows > 0 && (full || when == When::Any) {
                return Ok(Some(self.take(scan.end, made)));
            }
            if scan.rows > 0 {
                return Ok(None);
            }
            // Blank lines, and what stands between values.
            self.drop_front(scan.end);
            let broken = match &mut made {
                Made::Values(found) => {
                    self.layout = Layout::Values(found.behind);
                    found.broken.take()
                }
                Made::Lines => Some((End::Line, None)),
                Made::Csv(_) => Some((End::LineOrReturn, None)),
            };
            if self.buffer.first() == Some(&0) {
                continue;
            }
            if scan.stop != Stop::Overlong {
                return Ok(self.close_array());
            }
            let (end, cause) = broken.unwrap_or((End::Line, None));
            self.overlong = Some(Overlong::new(self.offset, end, cause, self.framing.limit));
        }
    }

    fn take(&mut self, end: usize, made: Made) -> Cut {
        let start = self.offset;
        self.offset += end as u64;
        let (batch, places) = match made {
            Made::Csv(made) => {
                self.buffer.advance(end);
                made.into_rows(start)
            }
            Made::Values(Found { spans, behind, .. }) => {
                self.layout = Layout::Values(behind);
                let text = self.buffer.split_to(end).freeze();
                let rows = spans.iter().map(|(begin, end)| text.slice(*begin..*end));
                let starts = spans.iter().map(|(begin, _)| *begin).collect();
                (Batch::json(rows), Places::of_starts(start, starts))
            }
            Made::Lines => {
                let lines = self.buffer.split_to(end).freeze();
                (Batch::ndjson(lines.clone()), Places::of_lines(start, lines))
            }
        };
        Cut { batch, places, end: self.offset }
    }

    /// Continues through something that is not a row. Returns the kept part once its end has come.
    fn skip(&mut self) -> Option<Cut> {
        let over = self.overlong.as_mut()?;
        let (used, fed) = over.feed(&self.buffer, self.ended);
        if let Layout::Values(values) = &mut self.layout {
            *values = values.moved(&self.buffer, used);
        }
        self.drop_front(used);
        if fed == Fed::More {
            return None;
        }
        let over = self.overlong.take()?;
        let start = over.start;
        let (row, mut cause) = over.row(self.framing.limit);
        // The array that it stands in breaks off with it: one fault, one row.
        if fed == Fed::BrokenOff && self.is_inside() {
            self.layout = Layout::Lines;
            if cause.starts_with("EOF") {
                cause += "; the text ends here, and its array is not closed";
            }
        }
        Some(self.broken(start, row, cause))
    }

    /// A row that cannot be read.
    fn broken(&self, start: u64, row: Vec<u8>, cause: String) -> Cut {
        let mut notes = RowNotes::new();
        notes.unreadable(0, None, cause);
        if let Some(csv) = &self.framing.csv {
            notes = notes.csv(csv.form());
        }
        let batch = Batch::with_notes([row], notes);
        Cut { batch, places: Places::of_starts(start, vec![0]), end: self.offset }
    }

    /// Whether the end of an array has not come.
    fn is_inside(&self) -> bool {
        matches!(self.layout, Layout::Values(Values { inside: true, .. }))
    }

    /// The end of a text whose array does not end: a row that says so, of what is not closed.
    fn close_array(&mut self) -> Option<Cut> {
        if !self.ended || !self.buffer.is_empty() || !self.is_inside() {
            return None;
        }
        self.layout = Layout::Lines;
        let cause = "the array is not closed; is the text whole?".to_owned();
        Some(self.broken(self.offset, b"[".to_vec(), cause))
    }

    /// Finds out the form of rows. Returns whether it is known.
    fn decide(&mut self, quiet: bool) -> bool {
        let (Layout::Unknown, Json::ByContent { arrays }) = (self.layout, self.framing.json) else {
            return true;
        };
        let (limit, ended) = (self.framing.limit, self.ended);
        let source = Source { text: &self.buffer, limit, ended, quiet };
        match json::guess(source, arrays) {
            Some(true) => self.layout = Layout::Values(Values::default()),
            Some(false) => self.layout = Layout::Lines,
            None => {
                self.open = memchr::memchr(b'\n', &self.buffer).is_some();
                return false;
            }
        }
        true
    }

    /// Finds out the form of rows in the middle of a text, from its beginning.
    fn recall(&mut self) {
        self.decide(true);
        if let Layout::Values(values) = &mut self.layout {
            values.inside = self.buffer.trim_ascii_start().first() == Some(&b'[');
        }
    }

    /// Skips NUL bytes where a line begins.
    fn skip_hole(&mut self) {
        let hole = self.buffer.iter().take_while(|byte| **byte == 0).count();
        self.drop_front(hole);
        self.skipped += hole as u64;
    }

    fn drop_front(&mut self, bytes: usize) {
        self.buffer.advance(bytes.min(self.buffer.len()));
        self.offset += bytes as u64;
    }

    /// Skips a byte-order mark. Returns whether its place was passed.
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

    /// Reads the header if one is due. Returns whether rows may follow.
    fn learn(&mut self) -> Result<bool, FileError> {
        let quiet = self.is_quiet();
        let Some(csv) = &mut self.framing.csv else { return Ok(true) };
        if csv.knows_names() {
            return Ok(true);
        }
        let source =
            Source { text: &self.buffer, limit: self.framing.limit, ended: self.ended, quiet };
        let (used, open) =
            csv.learn(source).map_err(|problem| FileError::header(&self.path, problem))?;
        self.drop_front(used);
        self.open = open;
        Ok(self.framing.csv.as_ref().is_some_and(Csv::knows_names))
    }
}
