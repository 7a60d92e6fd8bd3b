//! What `feed` is told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The example, and what programs may rely on.
pub(crate) const AFTER_HELP: &str = "\
Example: {program} feed Invoices orders.ndjson --dry-run";

pub(crate) const AFTER_LONG_HELP: &str = "\
Example: {program} feed Invoices orders.ndjson --out invoices.ndjson --rejected bad.ndjson

Example: {program} feed Refunds refunds.csv --dry-run --given given.yml, where given.yml has the \
records by connector and id: `records: {Invoices: {6: {total: 250}}}`

A feed that stops leaves FILE.part and FILE.part.state, and says which --skip goes on with them.

The place of a row is FILE:OFFSET, where its line begins, in bytes; its number counts the rows of all \
files, from 1.

With --output json the report is one object: flow, dry_run, left_out, rows, functions, rejected, \
failed, stopped, seconds, rows_per_second. `rows` and each of `functions` have rows_in, rows_out, \
filtered, aborted, rejected, failed, added, folded. The first ten rows of `rejected` and batches of `failed` \
are there, the counts have all. With --trace it is: flow, dry_run, left_out, number, place, visits, \
rows, error.";

#[derive(Args)]
pub(crate) struct FeedArgs {
    /// The flow
    pub(super) flow: String,
    /// Files of rows, or patterns of them; `-`, or none, for standard input
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// How rows are written; unless given, files that end with .csv and .tsv are CSV, all others
    /// NDJSON or JSON, as they begin
    #[arg(long, value_enum)]
    pub(super) format: Option<Format>,
    /// CSV: what stands between fields, one ASCII character or `\t`
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(super) delimiter: Option<String>,
    /// CSV: the columns that are text whatever they look like
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub(super) text: Vec<String>,
    /// CSV: leave out blanks around the names in the header, or around all values as well
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(super) trim: Option<Trim>,
    /// CSV: what a line begins with that is a comment, one ASCII character
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    pub(super) comment: Option<String>,
    /// CSV: take 1,5 for the number 1.5
    #[arg(long)]
    pub(super) decimal_comma: bool,
    /// CSV: how many lines a record may have whose quotes have line ends in them [default: 100]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub(super) quote_lines: Option<usize>,
    /// The most rows of a run
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = positive)]
    pub(super) batch: usize,
    /// Leave out the first rows of the input, as many as an earlier feed is done with; what it wrote is
    /// gone on with
    #[arg(long, value_name = "ROWS", default_value_t = 0, hide_default_value = true)]
    pub(super) skip: u64,
    /// Replace files of --out and --rejected that are there
    #[arg(long)]
    pub(super) force: bool,
    /// Go on with the next batch where a run fails
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Write the rows that come out as NDJSON, to FILE.part until all are there; `-` for standard
    /// output, the report then goes to standard error
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Write the rejected rows as NDJSON, each with its place, function, field and cause
    #[arg(long, value_name = "FILE")]
    pub(super) rejected: Option<PathBuf>,
    /// Put an empty memory in the place of every connector
    #[arg(long)]
    pub(super) dry_run: bool,
    /// First put the records of this file into the memories of --dry-run: YAML or JSON, with the
    /// `records` of a test's `given`
    #[arg(long, value_name = "FILE")]
    pub(super) given: Option<PathBuf>,
    /// Run only this row, counted from 1, and show what each function makes of it
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(conflicts_with_all = ["batch", "skip", "force", "keep_going", "out", "rejected"])]
    pub(super) trace: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// One JSON value a line
    Ndjson,
    /// With the fields' names in the first record
    Csv,
    /// JSON values that span lines, or one array of rows
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Trim {
    /// Around the names in the header
    Header,
    /// Around the names and around each value
    All,
}

impl FeedArgs {
    /// The options that only CSV has, of those that are given.
    pub(super) fn only_csv(&self) -> Vec<&'static str> {
        let given = [
            ("--delimiter", self.delimiter.is_some()),
            ("--text", !self.text.is_empty()),
            ("--trim", self.trim.is_some()),
            ("--comment", self.comment.is_some()),
            ("--decimal-comma", self.decimal_comma),
            ("--quote-lines", self.quote_lines.is_some()),
        ];
        given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }
}

fn delimiter(text: &str) -> Result<String, &'static str> {
    match text {
        // As people write it for a shell that does not know it.
        "\\t" => Ok("\t".to_owned()),
        "\"" | "\n" | "\r" => Err("a quote or a line end cannot be it"),
        text if text.len() == 1 && text.is_ascii() => Ok(text.to_owned()),
        _ => Err("expected one ASCII character"),
    }
}

fn positive(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|rows| *rows > 0).ok_or("expected a whole number from 1")
}
