//! Sources of kisflow that read files and standard input: NDJSON and CSV, growing and rotated.
//!
//! ```yaml
//! kistype: source
//! sname: orders
//! type: file
//! key: /var/log/shop/orders.ndjson
//! params:
//!   follow: true
//! ```
//!
//! ```yaml
//! kistype: source
//! sname: prices
//! type: file
//! key: import/prices.csv
//! params:
//!   delimiter: ";"
//!   text: [article]
//! ```
//!
//! ```yaml
//! kistype: source
//! sname: piped
//! type: stdin
//! ```
//!
//! Give the registry the types, and flows read from them:
//!
//! ```
//! use kisflow_core::Registry;
//! use kisflow_file::{File, Stdin};
//!
//! let registry = Registry::new().source::<File>().source::<Stdin>();
//! ```
//!
//! # Rows
//!
//! **NDJSON**: each line is a row, unchanged. **JSON**: the rows are values that may span lines, or
//! the elements of one array. Text is read as JSON if it begins like that, unless `format` says
//! `ndjson`; with `format: json` it always is. (A line that is an array is a row itself, if other
//! lines follow or the name ends with `.ndjson` or `.jsonl`.) **CSV**: each record becomes a JSON
//! object, with the names of the header, or of `fields`. A value is a number if it is written like
//! a JSON number and no number type would round it (`12`, `-0.5`, `1.50`, `1e-7`; not `007`, `+1`,
//! `.5`, nor 20 digits). `true` and `false` are booleans, an empty value is `null`, anything else
//! is text. Columns in `text` are always text: ids, postcodes, versions. Quotes around a value do
//! not change its type.
//!
//! Lines end with `\n` or `\r\n`, those of CSV with `\r` alone as well; blank lines are skipped. A
//! UTF-8 byte-order mark is skipped; text in UTF-16 is an error. Files and standard input may be
//! gzip, recognized by its first bytes; incomplete gzip is an error, and so are zip archives, xz
//! and zstd.
//!
//! **A line that cannot be read stops nothing and is not lost.** It is handed out unchanged and
//! marked ([`Batch::unreadable`](kisflow_core::Batch::unreadable)): no function gets it, and
//! quarantine has its text, its position and one of these causes:
//!
//! | cause | what it is |
//! |---|---|
//! | `2 fields, the header has 3` | a CSV record with another number of fields |
//! | `text behind a closing quote` | as in `"tea"x,2` |
//! | `a quote is not closed …` | a quoted value is still open after `quote_lines` lines (100), at the end of the input, or after `quote_wait_ms` (1 s) without a byte. The row is the first line of the record, and reading goes on at the next line |
//! | `not UTF-8: byte 0xE9 …` | a value in Latin-1, for example |
//! | `a NUL byte` | a value that contains one |
//! | `expected … at line … column …` | a broken JSON value; reading goes on at the next line that begins with `{` or `[` and is indented no further |
//! | `the array is not closed …` | a JSON array whose end is missing: a row without text |
//! | `the line has … bytes …` | a line or JSON value of more than `max_line_bytes`; its first 1,024 bytes are kept |
//!
//! A line of NDJSON that is not JSON is handed out without a mark: a function may read something
//! other than JSON ([`Row`](kisflow_core::Row)), and rejects what it cannot read.
//!
//! `trim` drops blanks around names or values, `comment` skips lines that begin with a character,
//! and `decimal_comma` reads `1,5` as a number. A header with a single name that contains `;`, a
//! tab or `|` is an error that names the likely delimiter, unless `delimiter` is set.
//!
//! # How far a file was read
//!
//! [`File`] keeps its position durably, for each source, flow and path as the conf has it: behind
//! the last row before which all rows are done. A restarted process continues there, also if the
//! file was rotated meanwhile. Each process with its own store reads the whole file: processes and
//! flows do not share its rows.
//!
//! | module | what it is |
//! |---|---|
//! | `params` | the params of a conf |
//! | `frame` | bytes to rows, for all sources |
//! | `file` | [`File`]: growth, rotation, truncation, positions |
//! | `stdin` | [`Stdin`] |
//! | `rows` | [`Rows`]: the same rows without a source, for a program that feeds a flow itself |
//! | `edit` | [`csv_line`]: one edited line of CSV |
//! | `ahead` | the thread that reads ahead for `stdin` and `rows` |
//! | `unpack` | gzip |
//! | `error` | [`FileError`] |

mod ahead;
mod edit;
mod error;
mod file;
mod frame;
mod params;
mod rows;
mod stdin;
mod unpack;

pub use crate::{
    edit::csv_line,
    error::FileError,
    file::{File, ResetTo, is_pattern, matching, reset_position},
    frame::Trim,
    params::{FileParams, Format, Order, StdinParams},
    rows::{PlacedRows, Rows},
    stdin::Stdin,
};
