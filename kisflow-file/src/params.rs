//! [`FileParams`], [`StdinParams`]: `params` of the sources, and their problems.

use std::time::Duration;

use serde::Deserialize;

use crate::frame::{Csv, CsvOptions, Framing, Json, Trim};

/// `params` of a source of `type: file`, all optional.
///
/// ```
/// use kisflow_core::SourceConf;
///
/// let conf = SourceConf::new("prices", "file")
///     .key("import/prices.csv")
///     .param("delimiter", ";")
///     .param("text", ["article", "postcode"]);
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FileParams {
    /// The format of the rows (default: by the file's ending, `.csv` and `.tsv` are CSV; anything
    /// else is NDJSON or JSON, by its beginning).
    pub format: Option<Format>,
    /// Whether to wait for more at the end of the file, and to continue with the file that replaces
    /// it (default false: the source ends with the file).
    pub follow: bool,
    /// How often to look at a followed file while it changes, at least 1 ms (default
    /// 100 ms). A quiet file is looked at when the operating system reports a change, and every two
    /// seconds in any case.
    #[serde(rename = "poll_ms", with = "kisflow_core::millis")]
    pub poll: Duration,
    /// How long a rotated file has to be quiet before the next one is read
    /// (default 5 s): its writer may continue for a while.
    #[serde(rename = "rotate_wait_ms", with = "kisflow_core::millis")]
    pub rotate_wait: Duration,
    /// The order in which the files of a pattern are read (default by name).
    pub order: Order,
    /// The ids of losses that are dealt with: `/readyz` does not report them any longer.
    pub acknowledged: Vec<String>,
    /// The longest line that is a row, in bytes, at least 1 (default 1 MiB). The first 1,024 bytes
    /// of a longer line go to quarantine; it takes no memory.
    pub max_line_bytes: usize,
    /// CSV: the delimiter between fields, one ASCII character (default `,`; for `.tsv` a tab).
    pub delimiter: Option<String>,
    /// CSV: whether the first record has the names of the fields (default true).
    pub header: bool,
    /// CSV: the fields' names, with `header: false`.
    pub fields: Vec<String>,
    /// CSV: the fields whose values are always text; an empty one is then `""`, not `null`.
    pub text: Vec<String>,
    /// CSV: where to drop blanks: `header` around the names, `all` around the values as well
    /// (default `none`).
    pub trim: Trim,
    /// CSV: the ASCII character with which comment lines begin (default: no comments).
    pub comment: Option<String>,
    /// CSV: whether `1,5` is the number 1.5 (default false). A value with a point is then text.
    pub decimal_comma: bool,
    /// CSV: how many lines a record with quoted line ends may have, at least 1 (default 100).
    /// Beyond that, its first line is a row that cannot be read.
    pub quote_lines: usize,
    /// CSV: how long a quote may stay open while no byte comes (default 1 s). The
    /// line in which it began is then a row that cannot be read.
    #[serde(rename = "quote_wait_ms", with = "kisflow_core::millis")]
    pub quote_wait: Duration,
}

impl Default for FileParams {
    fn default() -> Self {
        let input = StdinParams::default();
        Self {
            format: input.format,
            follow: false,
            poll: Duration::from_millis(100),
            rotate_wait: Duration::from_secs(5),
            order: Order::Name,
            acknowledged: Vec::new(),
            max_line_bytes: input.max_line_bytes,
            delimiter: input.delimiter,
            header: input.header,
            fields: input.fields,
            text: input.text,
            trim: input.trim,
            comment: input.comment,
            decimal_comma: input.decimal_comma,
            quote_lines: input.quote_lines,
            quote_wait: input.quote_wait,
        }
    }
}

/// `params` of a source of `type: stdin`, all optional, with the meaning that they have in
/// [`FileParams`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StdinParams {
    /// The format of the rows (default: NDJSON or JSON, by the beginning).
    pub format: Option<Format>,
    /// The longest line that is a row, in bytes, at least 1 (default 1 MiB).
    pub max_line_bytes: usize,
    /// CSV: the delimiter between fields, one ASCII character (default `,`).
    pub delimiter: Option<String>,
    /// CSV: whether the first record has the names of the fields (default true).
    pub header: bool,
    /// CSV: the fields' names, with `header: false`.
    pub fields: Vec<String>,
    /// CSV: the fields whose values are always text.
    pub text: Vec<String>,
    /// CSV: where to drop blanks (default `none`).
    pub trim: Trim,
    /// CSV: the ASCII character with which comment lines begin.
    pub comment: Option<String>,
    /// CSV: whether `1,5` is the number 1.5 (default false).
    pub decimal_comma: bool,
    /// CSV: how many lines a record may have, at least 1 (default 100).
    pub quote_lines: usize,
    /// CSV: how long a quote may stay open while no byte comes (default 1 s).
    #[serde(rename = "quote_wait_ms", with = "kisflow_core::millis")]
    pub quote_wait: Duration,
}

impl Default for StdinParams {
    fn default() -> Self {
        Self {
            format: None,
            max_line_bytes: 1 << 20,
            delimiter: None,
            header: true,
            fields: Vec::new(),
            text: Vec::new(),
            trim: Trim::None,
            comment: None,
            decimal_comma: false,
            quote_lines: 100,
            quote_wait: Duration::from_secs(1),
        }
    }
}

/// The order in which files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Order {
    /// By name, byte by byte.
    #[default]
    Name,
    /// By the time of their last write, the oldest first.
    Time,
}

/// The format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// One JSON value per line.
    Ndjson,
    /// Comma-separated values, as people and spreadsheets write them.
    Csv,
    /// JSON values that may span lines, or are in one array.
    Json,
}

impl Format {
    /// Returns the format by a file's ending: `.csv` and `.tsv` are CSV, anything else is NDJSON,
    /// unless the text begins like other JSON. An ending `.gz` is ignored.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match ending(path).as_deref() {
            Some("csv" | "tsv") => Self::Csv,
            _ => Self::Ndjson,
        }
    }
}

/// The ending in lower case, without `.gz`.
fn ending(path: &str) -> Option<String> {
    let packed = path.len().checked_sub(3).and_then(|end| path.split_at_checked(end));
    let packed = packed.filter(|(_, ending)| ending.eq_ignore_ascii_case(".gz"));
    let path = packed.map_or(path, |(path, _)| path);
    path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// The path of each wrong key, and why it is wrong.
pub(crate) type Problems = Vec<(String, String)>;

impl FileParams {
    /// Returns how the file at `path` is cut into rows.
    pub(crate) fn framing(&self, path: &str) -> Result<Framing, Problems> {
        let format = self.format.unwrap_or(Format::of(path));
        let tab = format == Format::Csv && ending(path).as_deref() == Some("tsv");
        let framing = StdinParams {
            format: self.format.or((format == Format::Csv).then_some(format)),
            max_line_bytes: self.max_line_bytes,
            delimiter: self.delimiter.clone().or_else(|| tab.then(|| "\t".to_owned())),
            header: self.header,
            fields: self.fields.clone(),
            text: self.text.clone(),
            trim: self.trim,
            comment: self.comment.clone(),
            decimal_comma: self.decimal_comma,
            quote_lines: self.quote_lines,
            quote_wait: self.quote_wait,
        };
        let poll = (self.poll.is_zero())
            .then(|| problem("poll_ms", "expected a duration from 1ms, found `0`"));
        let of_ending = |framing: Framing| match (framing.json, ending(path).as_deref()) {
            // Its rows are lines, whatever one line is by itself.
            (Json::ByContent { .. }, Some("ndjson" | "jsonl")) => {
                Framing { json: Json::ByContent { arrays: false }, ..framing }
            }
            _ => framing,
        };
        match (framing.framing().map(of_ending), poll) {
            (framing, None) => framing,
            (framing, Some(poll)) => {
                Err(framing.err().into_iter().flatten().chain([poll]).collect())
            }
        }
    }
}

impl StdinParams {
    /// Returns how the input is cut into rows.
    pub(crate) fn framing(&self) -> Result<Framing, Problems> {
        let mut problems = Vec::new();
        if self.max_line_bytes == 0 {
            problems.push(problem("max_line_bytes", "expected a whole number from 1, found `0`"));
        }
        let csv = match self.format {
            Some(Format::Csv) => self.csv(&mut problems),
            _ => {
                self.only_of_csv(&mut problems);
                None
            }
        };
        match problems.is_empty() {
            true => Ok(Framing {
                json: match self.format {
                    None => Json::ByContent { arrays: true },
                    Some(Format::Json) => Json::Always,
                    Some(Format::Ndjson | Format::Csv) => Json::Never,
                },
                csv,
                limit: self.max_line_bytes,
                quiet: self.quote_wait,
            }),
            false => Err(problems),
        }
    }

    fn csv(&self, problems: &mut Problems) -> Option<Csv> {
        let character = |name, text: &str, problems: &mut Problems| match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
            _ => {
                let message = "expected one ASCII character that is no quote and no line end";
                problems.push(problem(name, message));
                b','
            }
        };
        let delimiter = character("delimiter", self.delimiter.as_deref().unwrap_or(","), problems);
        let comment = self.comment.as_deref();
        let comment = comment.map(|comment| character("comment", comment, problems));
        if comment == Some(delimiter) && problems.is_empty() {
            problems.push(problem("comment", "expected another character than `delimiter`"));
        }
        if self.quote_lines == 0 {
            problems.push(problem("quote_lines", "expected a whole number from 1, found `0`"));
        }
        match (self.header, self.fields.is_empty()) {
            (true, false) => problems.push(problem(
                "fields",
                "the header has the names of the fields; drop `fields`, or set `header: false`",
            )),
            (false, true) => {
                problems
                    .push(problem("fields", "without a header the fields need names: list them"));
            }
            _ => {}
        }
        let options = CsvOptions {
            delimiter,
            has_delimiter: self.delimiter.is_some(),
            text: self.text.clone(),
            comment,
            trim: self.trim,
            decimal_comma: self.decimal_comma,
            lines: self.quote_lines,
        };
        if self.header {
            return Some(Csv::with_header(options));
        }
        Csv::with_names(options, self.fields.clone())
            .map_err(|message| problems.push(problem("fields", message)))
            .ok()
    }

    fn only_of_csv(&self, problems: &mut Problems) {
        let given = [
            ("delimiter", self.delimiter.is_some()),
            ("header", !self.header),
            ("fields", !self.fields.is_empty()),
            ("text", !self.text.is_empty()),
            ("trim", self.trim != Trim::None),
            ("comment", self.comment.is_some()),
            ("decimal_comma", self.decimal_comma),
            ("quote_lines", self.quote_lines != Self::default().quote_lines),
            ("quote_wait_ms", self.quote_wait != Self::default().quote_wait),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        problems
            .extend(given.map(|(name, _)| problem(name, "only CSV has this; set `format: csv`")));
    }
}

fn problem(name: &str, message: impl Into<String>) -> (String, String) {
    (format!("params.{name}"), message.into())
}
