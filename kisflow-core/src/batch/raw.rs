//! Rows as they arrived: one buffer of lines, or one piece of bytes a row.

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
    /// `(start, end)` of each row in one buffer.
    Lines {
        buffer: Bytes,
        spans: Vec<(usize, usize)>,
    },
    Each(Vec<RowBytes>),
}

impl RawRows {
    pub(crate) fn each<R: Into<RowBytes>>(rows: impl IntoIterator<Item = R>) -> Self {
        Self::Each(rows.into_iter().map(Into::into).collect())
    }

    pub(crate) fn lines(buffer: Bytes) -> Self {
        let mut spans = Vec::new();
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer).chain([buffer.len()]) {
            let line = buffer.get(start..end).unwrap_or_default();
            // A JSON row starts with its first character more often than not: one look, no trim.
            if line.first().is_some_and(|first| !first.is_ascii_whitespace())
                || !line.trim_ascii().is_empty()
            {
                spans.push((start, end));
            }
            start = end + 1;
        }
        Self::Lines { buffer, spans }
    }

    /// Rows that lie in one buffer, where each ends.
    pub(crate) fn buffer(buffer: Vec<u8>, ends: &[usize]) -> Self {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        Self::Lines { buffer: buffer.into(), spans: starts.zip(ends.iter().copied()).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lines { spans, .. } => spans.len(),
            Self::Each(rows) => rows.len(),
        }
    }

    /// The rows at ascending positions; their bytes are shared.
    pub(crate) fn pick(&self, keep: &[usize]) -> Self {
        match self {
            Self::Lines { buffer, spans } => {
                let spans =
                    keep.iter().filter_map(|position| spans.get(*position).copied()).collect();
                Self::Lines { buffer: buffer.clone(), spans }
            }
            Self::Each(rows) => Self::Each(
                keep.iter().filter_map(|position| rows.get(*position).cloned()).collect(),
            ),
        }
    }

    /// One row's bytes, shared with the batch; empty where there is no such row.
    pub(crate) fn bytes(&self, position: usize) -> Bytes {
        match self {
            Self::Lines { buffer, spans } => match spans.get(position) {
                Some((start, end)) => buffer.slice(*start..*end),
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
            Self::Lines { buffer, spans } => match std::str::from_utf8(buffer) {
                Ok(text) => {
                    for (position, (start, end)) in spans.iter().enumerate() {
                        visit(position, RawRow::Text(text.get(*start..*end).unwrap_or_default()));
                    }
                }
                Err(_) => {
                    for (position, (start, end)) in spans.iter().enumerate() {
                        visit(
                            position,
                            RawRow::Bytes(buffer.get(*start..*end).unwrap_or_default()),
                        );
                    }
                }
            },
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
