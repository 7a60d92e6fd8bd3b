//! CSV records as JSON objects. The reader is our own, though `csv-core` can be fed in pieces as well:
//! of each record we need where it stands and its text as it came, for its position and for the row
//! that it is where it cannot be read; and text behind a closing quote is a broken record here, at a
//! known place, where `csv-core` takes it for a part of the field.

use bytes::Bytes;
use kisflow_core::Batch;

use super::{
    Places, Scan, Stop, pieces,
    record::{Extent, Read, Record, first_line},
    value,
};

/// How CSV is read.
#[derive(Clone, Debug)]
pub(crate) struct Csv {
    delimiter: u8,
    /// The names of columns that are text.
    text: Vec<String>,
    has_header: bool,
    /// Empty until the header was read.
    columns: Vec<Column>,
    /// The record that was read last; it stays for its room.
    record: Record,
}

#[derive(Clone, Debug)]
struct Column {
    /// `"name":`
    key: Vec<u8>,
    is_text: bool,
}

/// Rows as they were made of records.
#[derive(Default)]
pub(super) struct Made {
    rows: Vec<u8>,
    /// Where each row ends in `rows`.
    ends: Vec<usize>,
    /// Where each record began in the buffer.
    starts: Vec<usize>,
}

impl Made {
    pub(super) fn into_rows(self, start: u64) -> (Batch, Places) {
        let rows = pieces(Bytes::from(self.rows), self.ends);
        (Batch::json(rows), Places::of_starts(start, self.starts))
    }
}

impl Csv {
    pub(crate) fn with_header(delimiter: u8, text: Vec<String>) -> Self {
        Self { delimiter, text, has_header: true, columns: Vec::new(), record: Record::default() }
    }

    /// # Errors
    ///
    /// When two names are the same, or `text` has one that is not among them.
    pub(crate) fn with_names(
        delimiter: u8,
        text: Vec<String>,
        names: &[String],
    ) -> Result<Self, String> {
        let columns = columns(names, &text)?;
        Ok(Self { delimiter, text, has_header: false, columns, record: Record::default() })
    }

    pub(super) fn has_header(&self) -> bool {
        self.has_header
    }

    pub(super) fn knows_names(&self) -> bool {
        !self.columns.is_empty()
    }

    pub(super) fn forget_header(&mut self) {
        if self.has_header {
            self.columns.clear();
        }
    }

    /// Reads the header; how many bytes it and the blank lines before it take.
    ///
    /// # Errors
    ///
    /// When it cannot be used; the words stand behind "the header of ‹path›".
    pub(super) fn learn(
        &mut self,
        buffer: &[u8],
        limit: usize,
        ended: bool,
    ) -> Result<usize, String> {
        let mut used = 0;
        loop {
            let rest = buffer.get(used..).unwrap_or_default();
            let (content, line, whole) = match self.record.read(rest, self.delimiter, ended) {
                Read::Whole(Extent { content, line, whole }) => (content, line, whole),
                Read::Broken => return Err("has text behind a closing quote; mend it".to_owned()),
                Read::Short if rest.len() > limit || (ended && !rest.is_empty()) => {
                    return Err(
                        "does not end: a quote is not closed, or `max_line_bytes` is too small"
                            .to_owned(),
                    );
                }
                Read::Short => return Ok(used),
            };
            used += whole;
            if self.record.is_blank(rest.get(..content).unwrap_or_default()) {
                continue;
            }
            if line > limit {
                return Err("is longer than `max_line_bytes`".to_owned());
            }
            let names =
                self.record.fields().map(|field| std::str::from_utf8(field).map(str::to_owned));
            let names: Vec<String> = names
                .collect::<Result<_, _>>()
                .map_err(|_| "is not UTF-8; convert the file".to_owned())?;
            self.columns = columns(&names, &self.text)?;
            return Ok(used);
        }
    }

    /// The records at the beginning of a buffer as rows, at most so many.
    pub(super) fn scan(
        &mut self,
        buffer: &[u8],
        rows: usize,
        limit: usize,
        ended: bool,
    ) -> (Scan, Made) {
        let mut scan = Scan { end: 0, rows: 0, stop: Stop::Short };
        let mut made = Made::default();
        loop {
            let rest = buffer.get(scan.end..).unwrap_or_default();
            if rest.first() == Some(&0) {
                scan.stop = Stop::Hole;
                return (scan, made);
            }
            let whole = match self.record.read(rest, self.delimiter, ended) {
                Read::Whole(Extent { content, line, whole }) if line <= limit => {
                    let record = rest.get(..content).unwrap_or_default();
                    if self.record.is_blank(record) {
                        scan.end += whole;
                        continue;
                    }
                    self.write(record, &mut made.rows);
                    whole
                }
                Read::Short if rest.is_empty() || (rest.len() <= limit && !ended) => {
                    return (scan, made);
                }
                Read::Broken
                    if rest.len() <= limit && !ended && memchr::memchr(b'\n', rest).is_none() =>
                {
                    return (scan, made);
                }
                // Too long, or quotes that make no record: that costs one line, not the rest.
                _ => match first_line(rest, limit, ended) {
                    Some(Extent { content, whole, .. }) => {
                        made.rows.extend_from_slice(rest.get(..content).unwrap_or_default());
                        whole
                    }
                    None => {
                        scan.stop = Stop::Overlong;
                        return (scan, made);
                    }
                },
            };
            made.ends.push(made.rows.len());
            made.starts.push(scan.end);
            scan.end += whole;
            scan.rows += 1;
            if scan.rows == rows {
                scan.stop = Stop::Full;
                return (scan, made);
            }
        }
    }

    /// The record as an object; as it stands if it is none.
    fn write(&self, record: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        if self.record.len() != self.columns.len() || self.write_object(out).is_err() {
            out.truncate(begin);
            out.extend_from_slice(record);
        }
    }

    fn write_object(&self, out: &mut Vec<u8>) -> Result<(), std::str::Utf8Error> {
        let mut open = b'{';
        for (field, column) in self.record.fields().zip(&self.columns) {
            out.push(open);
            out.extend_from_slice(&column.key);
            value::write(out, std::str::from_utf8(field)?, column.is_text);
            open = b',';
        }
        out.push(b'}');
        Ok(())
    }
}

fn columns(names: &[String], text: &[String]) -> Result<Vec<Column>, String> {
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|before| before == name) {
            return Err(format!("has the name `{name}` twice; rename one"));
        }
    }
    if let Some(stray) = text.iter().find(|text| !names.contains(text)) {
        return Err(format!("has no name `{stray}`, which `text` demands"));
    }
    let column = |name: &String| {
        let mut key = Vec::new();
        value::write_text(&mut key, name);
        key.push(b':');
        Column { key, is_text: text.contains(name) }
    };
    Ok(names.iter().map(column).collect())
}
