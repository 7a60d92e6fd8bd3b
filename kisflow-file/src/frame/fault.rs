//! [`Fault`]: why a CSV record cannot be read.

use kisflow_core::CsvForm;

/// Why a CSV record cannot be read. Fields count from 0.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// It has another number of fields than the header, or than the names in `fields`.
    Fields {
        found: usize,
        has_header: bool,
        /// The delimiter that it seems to have.
        other: Option<char>,
    },
    /// Text stands behind a closing quote.
    Behind {
        field: usize,
    },
    /// A quote is not closed: within so many lines, before the end, or in time.
    Open {
        field: usize,
        lines: Option<usize>,
    },
    /// With its quoted line ends it is longer than a line may be.
    TooLong(usize),
    Utf8 {
        field: usize,
        byte: u8,
    },
    Nul {
        field: usize,
    },
}

impl Fault {
    /// The name of the field, and the cause.
    pub(super) fn tell(self, form: &CsvForm) -> (Option<&str>, String) {
        let name = |field: usize| form.fields.get(field).map(String::as_str);
        match self {
            Self::Fields { found, has_header, other } => {
                let plural = if found == 1 { "" } else { "s" };
                let names = if has_header { "the header" } else { "`fields`" };
                let mut cause = format!("{found} field{plural}, {names} has {}", form.fields.len());
                if let Some(other) = other {
                    cause += &format!("; set `delimiter` to {other:?}");
                }
                (None, cause)
            }
            Self::Behind { field } => (name(field), "text behind a closing quote".to_owned()),
            Self::Open { field, lines: Some(lines) } => {
                let cause =
                    format!("a quote is not closed within {lines} lines, as `quote_lines` says");
                (name(field), cause)
            }
            Self::Open { field, lines: None } => (name(field), "a quote is not closed".to_owned()),
            Self::TooLong(limit) => (
                None,
                format!(
                    "with its quoted line ends the record has more than the {limit} bytes of `max_line_bytes`; is a quote not closed?"
                ),
            ),
            Self::Utf8 { field, byte } => {
                let cause = format!(
                    "not UTF-8: byte 0x{byte:02X}; convert the file, as with `iconv -f LATIN1 -t UTF-8`"
                );
                (name(field), cause)
            }
            Self::Nul { field } => (name(field), "a NUL byte".to_owned()),
        }
    }

    /// What is wrong with a header; the words stand behind "the header of ‹path›".
    pub(super) fn of_header(self) -> String {
        match self {
            Self::Behind { .. } => "has text behind a closing quote; mend it".to_owned(),
            Self::TooLong(_) => {
                "is longer than `max_line_bytes`; is a quote not closed?".to_owned()
            }
            _ => "has a quote that is not closed; close it".to_owned(),
        }
    }
}
