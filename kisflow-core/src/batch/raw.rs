//! Rows as they arrived: one buffer of lines, or one piece of bytes a row.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::row::RawRow;

/// The bytes of one row, from whatever holds them.
#[derive(Clone, Debug)]
pub struct RowBytes(Bytes);

impl From<&str> for RowBytes {
    fn from(row: &str) -> Self {
        Self(Bytes::copy_from_slice(row.as_bytes()))
    }
}

impl From<&String> for RowBytes {
    fn from(row: &String) -> Self {
        Self::from(row.as_str())
    }
}

impl From<String> for RowBytes {
    fn from(row: String) -> Self {
        Self(row.into())
    }
}

impl From<&[u8]> for RowBytes {
    fn from(row: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(row))
    }
}

impl From<Vec<u8>> for RowBytes {
    fn from(row: Vec<u8>) -> Self {
        Self(row.into())
    }
}

impl From<Bytes> for RowBytes {
    fn from(row: Bytes) -> Self {
        Self(row)
    }
}

/// The encoded rows of a batch.
#[derive(Clone)]
pub(crate) enum RawRows {
    Lines(Lines),
    Each(Vec<RowBytes>),
}

/// Rows in one buffer, each ended by a line feed or by the end of the buffer.
#[derive(Clone)]
pub(crate) struct Lines {
    buffer: Bytes,
    /// Where each row ends. It starts behind the one before, and behind blank lines between the
    /// two: half the memory of a table of both.
    ends: SmallVec<[usize; 4]>,
}

impl Lines {
    fn new(buffer: Bytes) -> Self {
        // As many rows as fit if all are like the first: the table is seldom moved as it grows.
        let first = memchr::memchr(b'\n', &buffer).unwrap_or(buffer.len());
        let mut ends = SmallVec::with_capacity(buffer.len().div_ceil(first.max(15) + 1));
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer).chain([buffer.len()]) {
            let line = buffer.get(start..end).unwrap_or_default();
            // A row starts with its first character more often than not: one look, no search.
            if line.first().is_some_and(|first| !first.is_ascii_whitespace())
                || !line.trim_ascii().is_empty()
            {
                ends.push(end);
            }
            start = end + 1;
        }
        Self { buffer, ends }
    }

    /// The row at `position`, or nothing past the last.
    fn row(&self, position: usize) -> Bytes {
        let Some(end) = self.ends.get(position) else { return Bytes::new() };
        let before = position.checked_sub(1).and_then(|before| self.ends.get(before));
        let row = self.buffer.slice(before.map_or(0, |before| before + 1)..*end);
        row.slice_ref(row.trim_ascii_start())
    }
}

impl RawRows {
    pub(crate) fn each<R: Into<RowBytes>>(rows: impl IntoIterator<Item = R>) -> Self {
        Self::Each(rows.into_iter().map(Into::into).collect())
    }

    pub(crate) fn lines(buffer: Bytes) -> Self {
        Self::Lines(Lines::new(buffer))
    }

    /// Rows in one buffer, each followed by a line feed, where each ends.
    pub(crate) fn ending_at(buffer: Bytes, ends: SmallVec<[usize; 4]>) -> Self {
        Self::Lines(Lines { buffer, ends })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.ends.len(),
            Self::Each(rows) => rows.len(),
        }
    }

    /// How many bytes the rows have, with what separates them.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.buffer.len(),
            Self::Each(rows) => rows.iter().map(|row| row.0.len()).sum(),
        }
    }

    /// The rows at ascending positions; their bytes are shared.
    pub(crate) fn pick(&self, keep: &[usize]) -> Self {
        Self::Each(keep.iter().map(|position| RowBytes(self.bytes(*position))).collect())
    }

    /// One row's bytes, shared with the batch; empty where there is no such row.
    pub(crate) fn bytes(&self, position: usize) -> Bytes {
        match self {
            Self::Lines(lines) => lines.row(position),
            Self::Each(rows) => rows.get(position).map(|row| row.0.clone()).unwrap_or_default(),
        }
    }

    /// Every row in order. UTF-8 is checked once for a whole buffer; where that fails each row
    /// is left to be checked by itself, so that one bad byte costs one row.
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, RawRow<'_>)) {
        match self {
            Self::Lines(Lines { buffer, ends }) => {
                let mut start = 0;
                let rows = ends
                    .iter()
                    .map(|end| (std::mem::replace(&mut start, end + 1), *end))
                    .enumerate();
                match std::str::from_utf8(buffer) {
                    Ok(text) => {
                        for (position, (start, end)) in rows {
                            let row = text.get(start..end).unwrap_or_default();
                            visit(position, RawRow::Text(row.trim_ascii_start()));
                        }
                    }
                    Err(_) => {
                        for (position, (start, end)) in rows {
                            let row = buffer.get(start..end).unwrap_or_default();
                            visit(position, RawRow::Bytes(row.trim_ascii_start()));
                        }
                    }
                }
            }
            Self::Each(rows) => {
                for (position, row) in rows.iter().enumerate() {
                    visit(position, RawRow::Bytes(&row.0));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RawRows;

    #[test]
    fn lines_are_rows_and_blank_lines_are_not() {
        let rows = RawRows::lines("{\"a\":1}\r\n\n  \n {\"a\":2}\n{\"a\":3}".into());
        let texts: Vec<_> = (0..rows.len()).map(|row| rows.bytes(row)).collect();
        assert_eq!(texts, ["{\"a\":1}\r", "{\"a\":2}", "{\"a\":3}"]);
        assert_eq!(rows.pick(&[2]).bytes(0), "{\"a\":3}");
        assert_eq!((rows.size(), rows.pick(&[1, 2]).size()), (29, 14));
    }
}
