//! [`FileParams`], [`StdinParams`]: `params` of the sources, and what is wrong with them.

use serde::Deserialize;

use crate::frame::{Csv, Framing};

/// `params` of a source of `type: file`; all of them may be left out.
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
    /// How rows are written (default: by the file's ending; `.csv` and `.tsv` are CSV, all else is
    /// NDJSON).
    pub format: Option<Format>,
    /// Whether to wait for more at the end of the file, for ever, and to go on with the file that
    /// takes its place (default false: its end is the source's end).
    pub follow: bool,
    /// How often a file that is followed is looked at while it changes, in milliseconds, at least 1
    /// (default 100). One that is quiet is looked at when the operating system says that it changed,
    /// and every two seconds in any case.
    pub poll_ms: u64,
    /// How long a file that was rotated away has to be quiet before the next one is read, in
    /// milliseconds (default 5,000): who writes to it may go on for a while.
    pub rotate_wait_ms: u64,
    /// In which order the files of a pattern are read (default by name).
    pub order: Order,
    /// The ids of losses that somebody has looked at: `/readyz` tells them no longer.
    pub acknowledged: Vec<String>,
    /// The longest line that is a row, in bytes, at least 1 (default 1 MiB). Of a longer one the
    /// first 1,024 bytes go to quarantine; it takes no memory.
    pub max_line_bytes: usize,
    /// CSV: what stands between fields, one ASCII character (default `,`; for `.tsv` a tab).
    pub delimiter: Option<String>,
    /// CSV: whether the first record has the fields' names (default true).
    pub header: bool,
    /// CSV: the fields' names, with `header: false`.
    pub fields: Vec<String>,
    /// CSV: the fields whose values are text whatever they look like; nothing is then `""`, not
    /// `null`.
    pub text: Vec<String>,
}

impl Default for FileParams {
    fn default() -> Self {
        let StdinParams { format, max_line_bytes, delimiter, header, fields, text } =
            StdinParams::default();
        Self {
            follow: false,
            poll_ms: 100,
            rotate_wait_ms: 5000,
            order: Order::Name,
            acknowledged: Vec::new(),
            format,
            max_line_bytes,
            delimiter,
            header,
            fields,
            text,
        }
    }
}

/// `params` of a source of `type: stdin`; all of them may be left out. They say what those of
/// [`FileParams`] say.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StdinParams {
    /// How rows are written (default NDJSON).
    pub format: Option<Format>,
    /// The longest line that is a row, in bytes, at least 1 (default 1 MiB).
    pub max_line_bytes: usize,
    /// CSV: what stands between fields, one ASCII character (default `,`).
    pub delimiter: Option<String>,
    /// CSV: whether the first record has the fields' names (default true).
    pub header: bool,
    /// CSV: the fields' names, with `header: false`.
    pub fields: Vec<String>,
    /// CSV: the fields whose values are text whatever they look like.
    pub text: Vec<String>,
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
        }
    }
}

/// In which order files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Order {
    /// By their names, byte by byte.
    #[default]
    Name,
    /// By the time when they were written last, the oldest first.
    Time,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// One JSON value a line.
    Ndjson,
    /// Comma-separated values, as people and spreadsheets write them.
    Csv,
}

impl Format {
    /// What a file's ending says: `.csv` and `.tsv` are CSV, all else is NDJSON. A `.gz` behind it
    /// says nothing.
    pub fn of(path: &str) -> Self {
        match ending(path).as_deref() {
            Some("csv" | "tsv") => Self::Csv,
            _ => Self::Ndjson,
        }
    }
}

fn ending(path: &str) -> Option<String> {
    let plain = path.get(path.len().saturating_sub(3)..);
    let path = match plain.is_some_and(|ending| ending.eq_ignore_ascii_case(".gz")) {
        true => path.get(..path.len() - 3).unwrap_or_default(),
        false => path,
    };
    path.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// The path of each key that is wrong, and why.
pub(crate) type Problems = Vec<(String, String)>;

impl FileParams {
    /// How the file at `path` is cut into rows.
    pub(crate) fn framing(&self, path: &str) -> Result<Framing, Problems> {
        let Self { max_line_bytes, header, fields, text, .. } = self.clone();
        let format = self.format.unwrap_or(Format::of(path));
        let tab = format == Format::Csv && ending(path).as_deref() == Some("tsv");
        let framing = StdinParams {
            format: Some(format),
            max_line_bytes,
            delimiter: self.delimiter.clone().or_else(|| tab.then(|| "\t".to_owned())),
            header,
            fields,
            text,
        };
        let poll = (self.poll_ms == 0)
            .then(|| problem("poll_ms", "expected a whole number from 1, found `0`"));
        match (framing.framing(), poll) {
            (framing, None) => framing,
            (framing, Some(poll)) => {
                Err(framing.err().into_iter().flatten().chain([poll]).collect())
            }
        }
    }
}

impl StdinParams {
    /// How the input is cut into rows.
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
            true => Ok(Framing { csv, limit: self.max_line_bytes }),
            false => Err(problems),
        }
    }

    fn csv(&self, problems: &mut Problems) -> Option<Csv> {
        let delimiter = match self.delimiter.as_deref().unwrap_or(",").as_bytes() {
            [delimiter] if !matches!(delimiter, b'"' | b'\n' | b'\r') => *delimiter,
            _ => {
                problems.push(problem(
                    "delimiter",
                    "expected one ASCII character that is no quote and no line end",
                ));
                b','
            }
        };
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
        if self.header {
            return Some(Csv::with_header(delimiter, self.text.clone()));
        }
        Csv::with_names(delimiter, self.text.clone(), &self.fields)
            .map_err(|message| problems.push(problem("fields", message)))
            .ok()
    }

    fn only_of_csv(&self, problems: &mut Problems) {
        let given = [
            ("delimiter", self.delimiter.is_some()),
            ("header", !self.header),
            ("fields", !self.fields.is_empty()),
            ("text", !self.text.is_empty()),
        ];
        let given = given.into_iter().filter(|(_, given)| *given);
        problems
            .extend(given.map(|(name, _)| problem(name, "only CSV has this; set `format: csv`")));
    }
}

fn problem(name: &str, message: impl Into<String>) -> (String, String) {
    (format!("params.{name}"), message.into())
}
