//! CSV records of a text that grows, as JSON objects.

use std::sync::Arc;

use bytes::Bytes;
use kisflow_core::{Batch, CsvForm, RowNotes};
use kisflow_csv::{Column, Dialect, Extent, Read, Record, columns, first_line, hint, write_value};

use super::{Places, Scan, Source, Stop, fault::Fault, pieces};

/// How CSV is read.
#[derive(Clone, Debug)]
pub(crate) struct Csv {
    pub(crate) options: CsvOptions,
    has_header: bool,
    /// Empty until the header was read.
    columns: Vec<Column>,
    /// What quarantine keeps of it.
    form: Arc<CsvForm>,
    /// The record that was read last; it stays for its room.
    record: Record,
}

/// The settings of CSV in a conf, except for the names.
#[derive(Clone, Debug)]
pub(crate) struct CsvOptions {
    pub(crate) delimiter: u8,
    /// Whether the conf sets it.
    pub(crate) has_delimiter: bool,
    /// The names of columns that are text.
    pub(crate) text: Vec<String>,
    /// What a line begins with that is a comment.
    pub(crate) comment: Option<u8>,
    pub(crate) trim: Trim,
    pub(crate) decimal_comma: bool,
    /// The most lines of a record.
    pub(crate) lines: usize,
}

/// Where blanks are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Trim {
    /// Nowhere.
    #[default]
    None,
    /// Around the names in the header.
    Header,
    /// Around the names and around each value.
    All,
}

/// Rows as they were made of records.
#[derive(Default)]
pub(super) struct Made {
    rows: Vec<u8>,
    /// Where each row ends in `rows`.
    ends: Vec<usize>,
    /// Where each record began in the buffer.
    starts: Vec<usize>,
    notes: RowNotes,
    form: Arc<CsvForm>,
}

impl Made {
    pub(super) fn into_rows(self, start: u64) -> (Batch, Places) {
        let rows = pieces(Bytes::from(self.rows), self.ends);
        let notes = self.notes.csv(self.form);
        (Batch::with_notes(rows, notes), Places::of_starts(start, self.starts))
    }

    /// Ends the row that was written to `rows`.
    fn end(&mut self, start: usize) {
        self.ends.push(self.rows.len());
        self.starts.push(start);
    }

    /// A row that cannot be read, as it stands.
    fn broken(&mut self, start: usize, text: &[u8], (field, cause): (Option<&str>, String)) {
        self.rows.extend_from_slice(text);
        self.notes.unreadable(self.ends.len(), field, cause);
        self.end(start);
    }
}

/// What stands at the beginning of a text.
enum Line<'a> {
    /// A record: its text, and how much it takes with its line end.
    Record(&'a [u8], usize),
    /// A line that is no record.
    Broken(&'a [u8], usize, Fault),
    /// Nothing that is a row.
    Skip(usize),
    /// Its end has not come.
    Short,
    /// Nor the end of its quote, and other lines have followed.
    Open,
    /// It is too long.
    Overlong,
}

impl Csv {
    pub(crate) fn with_header(options: CsvOptions) -> Self {
        let (columns, form) = (Vec::new(), Arc::default());
        Self { options, has_header: true, columns, form, record: Record::default() }
    }

    /// # Errors
    ///
    /// When two names are the same, or `text` has one that is not among them.
    pub(crate) fn with_names(options: CsvOptions, names: Vec<String>) -> Result<Self, String> {
        let mut csv = Self { has_header: false, ..Self::with_header(options) };
        csv.name(names)?;
        Ok(csv)
    }

    /// Reads lines of this form.
    ///
    /// # Errors
    ///
    /// When the form contradicts itself.
    pub(super) fn of_form(form: &CsvForm) -> Result<Self, String> {
        let delimiter = u8::try_from(form.delimiter);
        let options = CsvOptions {
            delimiter: delimiter.map_err(|_| "has a delimiter that is not ASCII".to_owned())?,
            has_delimiter: true,
            text: form.text.clone(),
            comment: None,
            trim: if form.trim { Trim::All } else { Trim::None },
            decimal_comma: form.decimal_comma,
            lines: usize::MAX,
        };
        // The author of the line knows the names from the header.
        Ok(Self { has_header: true, ..Self::with_names(options, form.fields.clone())? })
    }

    pub(super) fn form(&self) -> Arc<CsvForm> {
        self.form.clone()
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

    fn name(&mut self, names: Vec<String>) -> Result<(), String> {
        let CsvOptions { delimiter, text, trim, decimal_comma, .. } = &self.options;
        self.columns = columns(&names, text)?;
        let mut form = CsvForm::new(names);
        form.delimiter = char::from(*delimiter);
        form.text.clone_from(text);
        (form.trim, form.decimal_comma) = (*trim == Trim::All, *decimal_comma);
        self.form = Arc::new(form);
        Ok(())
    }

    /// Reads the header; how many bytes it and the lines before it take, and whether it waits for the
    /// end of a quote while other lines follow.
    ///
    /// # Errors
    ///
    /// When it cannot be used; the words stand behind "the header of ‹path›".
    pub(super) fn learn(&mut self, source: Source<'_>) -> Result<(usize, bool), String> {
        let mut used = 0;
        loop {
            let rest = source.from(used);
            let whole = match self.line(rest) {
                Line::Record(_, whole) => whole,
                Line::Skip(whole) => {
                    used += whole;
                    continue;
                }
                Line::Broken(_, _, fault) => return Err(fault.of_header()),
                Line::Overlong => return Err("is longer than `max_line_bytes`".to_owned()),
                Line::Short => return Ok((used, false)),
                Line::Open => return Ok((used, true)),
            };
            let trim = self.options.trim != Trim::None;
            let name = |field| {
                let name = std::str::from_utf8(field)?;
                Ok((if trim { name.trim() } else { name }).to_owned())
            };
            let names: Result<Vec<String>, std::str::Utf8Error> =
                self.record.fields().map(name).collect();
            let names = names.map_err(|_| "is not UTF-8; convert the file".to_owned())?;
            if let ([name], false) = (&*names, self.options.has_delimiter)
                && let Some(other) = hint(name, self.options.delimiter)
            {
                return Err(format!(
                    "has one name, `{name}`: set `delimiter` to {other:?}, or to {:?} if there is one",
                    char::from(self.options.delimiter)
                ));
            }
            self.name(names)?;
            return Ok((used + whole, false));
        }
    }

    /// The records at the beginning of a buffer as rows, at most so many.
    pub(super) fn scan(&mut self, source: Source<'_>, rows: usize) -> (Scan, Made) {
        let mut scan = Scan { end: 0, rows: 0, stop: Stop::Short };
        let mut made = Made { form: self.form.clone(), ..Made::default() };
        loop {
            let begin = scan.end;
            if source.from(begin).text.first() == Some(&0) {
                scan.stop = Stop::Hole;
                return (scan, made);
            }
            scan.end += match self.line(source.from(begin)) {
                Line::Record(record, whole) => {
                    let start = made.rows.len();
                    match self.write(record, &mut made.rows) {
                        Ok(()) => made.end(begin),
                        Err(fault) => {
                            made.rows.truncate(start);
                            made.broken(begin, record, fault.tell(&self.form));
                        }
                    }
                    whole
                }
                Line::Broken(line, whole, fault) => {
                    made.broken(begin, line, fault.tell(&self.form));
                    whole
                }
                Line::Skip(whole) => {
                    scan.end += whole;
                    continue;
                }
                stop => {
                    scan.stop = match stop {
                        Line::Overlong => Stop::Overlong,
                        Line::Open => Stop::Open,
                        _ => Stop::Short,
                    };
                    return (scan, made);
                }
            };
            scan.rows += 1;
            if scan.rows == rows {
                scan.stop = Stop::Full;
                return (scan, made);
            }
        }
    }

    /// What stands at the beginning of a text. The same wherever the text is cut, but where nothing
    /// more is waited for.
    fn line<'a>(&mut self, source: Source<'a>) -> Line<'a> {
        let Source { text, limit, ended, .. } = source;
        if text.is_empty() {
            return Line::Short;
        }
        if self.options.comment.is_some_and(|comment| text.first() == Some(&comment)) {
            return match first_line(text, limit, ended) {
                Some(Extent { whole, .. }) => Line::Skip(whole),
                None if text.len() <= limit => Line::Short,
                None => Line::Overlong,
            };
        }
        // What is longer than a row may be is not looked at, however much of it is there.
        let window = text.get(..limit.saturating_add(1)).unwrap_or(text);
        let dialect = Dialect { delimiter: self.options.delimiter, lines: self.options.lines };
        let fault = match self.record.read(window, dialect, ended && window.len() == text.len()) {
            Read::Whole(Extent { content, whole }) if content <= limit => {
                let record = text.get(..content).unwrap_or_default();
                return match self.record.is_blank(record) {
                    true => Line::Skip(whole),
                    false => Line::Record(record, whole),
                };
            }
            Read::Whole(_) => Fault::TooLong(limit),
            Read::Short { .. } if text.len() > limit => Fault::TooLong(limit),
            Read::Short { open: Some(field) } if ended => Fault::Open { field, lines: None },
            Read::Short { open: Some(field) } if first_line(text, limit, false).is_some() => {
                match source.quiet {
                    true => Fault::Open { field, lines: None },
                    false => return Line::Open,
                }
            }
            Read::Short { .. } => return Line::Short,
            Read::Behind(field) => Fault::Behind { field },
            Read::Unclosed(field) => Fault::Open { field, lines: Some(self.options.lines) },
        };
        // That costs one line, not the rest.
        match first_line(text, limit, ended) {
            Some(Extent { content, whole }) => {
                Line::Broken(text.get(..content).unwrap_or_default(), whole, fault)
            }
            None if text.len() <= limit => Line::Short,
            None => Line::Overlong,
        }
    }

    /// The record as an object.
    fn write(&self, record: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        let (found, expected) = (self.record.len(), self.columns.len());
        if found != expected {
            let other = match found {
                1 => std::str::from_utf8(record).ok().and_then(|record| {
                    let other = hint(record, self.options.delimiter)?;
                    (record.matches(other).count() + 1 == expected).then_some(other)
                }),
                _ => None,
            };
            return Err(Fault::Fields { found, has_header: self.has_header, other });
        }
        let has_nul = self.record.has_nul();
        let trim = self.options.trim == Trim::All;
        let mut open = b'{';
        for (at, (field, column)) in self.record.fields().zip(&self.columns).enumerate() {
            if has_nul && field.contains(&0) {
                return Err(Fault::Nul { field: at });
            }
            let text = std::str::from_utf8(field).map_err(|error| Fault::Utf8 {
                field: at,
                byte: field.get(error.valid_up_to()).copied().unwrap_or_default(),
            })?;
            out.push(open);
            out.extend_from_slice(&column.key);
            let text = if trim { text.trim() } else { text };
            write_value(out, text, column.is_text, self.options.decimal_comma);
            open = b',';
        }
        out.push(b'}');
        Ok(())
    }

    /// Converts one edited line to JSON.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn row(&mut self, text: &str) -> Result<String, String> {
        let text = text.trim_end_matches(['\n', '\r']);
        let source = Source { text: text.as_bytes(), limit: usize::MAX, ended: true, quiet: false };
        let tell = |fault: Fault, form| match fault.tell(form) {
            (Some(field), cause) => format!("field `{field}`: {cause}"),
            (None, cause) => cause,
        };
        match self.line(source) {
            Line::Record(record, whole) if whole == text.len() => {
                let mut row = Vec::new();
                self.write(record, &mut row).map_err(|fault| tell(fault, &self.form))?;
                String::from_utf8(row).map_err(|error| error.to_string())
            }
            Line::Broken(_, _, fault) => Err(tell(fault, &self.form)),
            Line::Record(..) => Err("expected one record, found more lines".to_owned()),
            _ => Err("the line is blank".to_owned()),
        }
    }
}
