//! Rows as they arrived: one buffer of lines, or one piece of bytes a row.

use std::sync::OnceLock;

use bytes::Bytes;

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
    rows: usize,
    /// Where each row stands; found when one is asked for by its position. A walk through all of
    /// them needs no table, and for small rows the table would be as large as the rows.
    spans: OnceLock<Vec<(usize, usize)>>,
}

impl Lines {
    /// The lines that are no rows are blank.
    fn spans(buffer: &[u8]) -> impl Iterator<Item = (usize, usize)> {
        let mut start = 0;
        memchr::memchr_iter(b'\n', buffer).chain([buffer.len()]).filter_map(move |end| {
            let line = buffer.get(start..end).unwrap_or_default();
            // A row starts with its first character more often than not: one look, no trim.
            let row = line.first().is_some_and(|first| !first.is_ascii_whitespace())
                || !line.trim_ascii().is_empty();
            let span = (start, end);
            start = end + 1;
            row.then_some(span)
        })
    }

    fn span(&self, position: usize) -> Option<(usize, usize)> {
        self.spans.get_or_init(|| Self::spans(&self.buffer).collect()).get(position).copied()
    }
}

impl RawRows {
    pub(crate) fn each<R: Into<RowBytes>>(rows: impl IntoIterator<Item = R>) -> Self {
        Self::Each(rows.into_iter().map(Into::into).collect())
    }

    pub(crate) fn lines(buffer: Bytes) -> Self {
        let rows = Lines::spans(&buffer).count();
        Self::Lines(Lines { buffer, rows, spans: OnceLock::new() })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.rows,
            Self::Each(rows) => rows.len(),
        }
    }

    /// The rows at ascending positions; their bytes are shared.
    pub(crate) fn pick(&self, keep: &[usize]) -> Self {
        Self::Each(keep.iter().map(|position| RowBytes(self.bytes(*position))).collect())
    }

    /// One row's bytes, shared with the batch; empty where there is no such row.
    pub(crate) fn bytes(&self, position: usize) -> Bytes {
        match self {
            Self::Lines(lines) => match lines.span(position) {
                Some((start, end)) => lines.buffer.slice(start..end),
                None => Bytes::new(),
            },
            Self::Each(rows) => rows.get(position).map(|row| row.0.clone()).unwrap_or_default(),
        }
    }

    /// Every row in order. UTF-8 is checked once for a whole buffer; where that fails each row
    /// is left to be checked by itself, so that one bad byte costs one row.
    #[inline]
    pub(crate) fn for_each(&self, mut visit: impl FnMut(usize, RawRow<'_>)) {
        match self {
            Self::Lines(Lines { buffer, .. }) => {
                let spans = Lines::spans(buffer).enumerate();
                match std::str::from_utf8(buffer) {
                    Ok(text) => {
                        for (position, (start, end)) in spans {
                            visit(position, RawRow::Text(text.get(start..end).unwrap_or_default()));
                        }
                    }
                    Err(_) => {
                        for (position, (start, end)) in spans {
                            visit(
                                position,
                                RawRow::Bytes(buffer.get(start..end).unwrap_or_default()),
                            );
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
        assert_eq!(texts, ["{\"a\":1}\r", " {\"a\":2}", "{\"a\":3}"]);
        assert_eq!(rows.pick(&[2]).bytes(0), "{\"a\":3}");
    }
}
