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
//! **NDJSON**: each line is a row, as it stands. **JSON**: the rows are values that may span lines,
//! or the elements of one array; text that begins so is read so, unless `format` says `ndjson`, and
//! `format: json` reads all text so. (A line that is an array by itself is a row, if other lines
//! follow or the file ends with `.ndjson` or `.jsonl`.) **CSV**: each record becomes a JSON object, with
//! the names of the header, or of `fields`. A value that is a number in JSON's own writing, and that
//! no number type would round (`12`, `-0.5`, `1.50`, `1e-7`; not `007`, `+1`, `.5`, nor 20 digits),
//! is a number, as a typed function expects it; `true` and `false` are booleans, nothing is `null`,
//! all else is text. Columns that `text` names are always text: ids, postcodes, versions. Whether a
//! value stands in quotes says nothing of its type.
//!
//! Lines end with `\n` or `\r\n`, those of CSV with `\r` alone as well; blank ones are no rows. A UTF-8
//! byte-order mark is skipped; text in UTF-16 is an error. Files and standard input may be
//! gzip, by its first bytes; gzip that breaks off is an error, and so is a zip archive, xz and zstd.
//!
//! **A line that is no row stops nothing and is not lost.** It is handed out as it stands, marked as
//! one that cannot be read ([`Batch::unreadable`](kisflow_core::Batch::unreadable)): no function
//! sees it, and quarantine holds its own text, its position and one of these causes:
//!
//! | cause | what it is |
//! |---|---|
//! | `2 fields, the header has 3` | a CSV record with another number of fields |
//! | `text behind a closing quote` | as in `"tea"x,2` |
//! | `a quote is not closed …` | a quoted value has no end: within `quote_lines` lines (100), before the end of the input, or when nothing came for `quote_wait_ms` (1 s). The line where the record began is the row, and reading goes on at the next line |
//! | `not UTF-8: byte 0xE9 …` | a value in Latin-1, say |
//! | `a NUL byte` | a value with one |
//! | `expected … at line … column …` | a JSON value that is broken; reading goes on with the next line that begins as far to the left with `{` or `[` |
//! | `the array is not closed …` | a JSON array whose end is missing: a row without text |
//! | `the line has … bytes …` | a line or JSON value that is longer than `max_line_bytes`; its first 1,024 bytes are kept |
//!
//! A line of NDJSON that is no JSON is handed out as well: a function may read something else than
//! JSON ([`Row`](kisflow_core::Row)), and rejects what it cannot read.
//!
//! `trim` leaves out blanks around names or values, `comment` lines that begin with a character;
//! `decimal_comma` takes `1,5` for a number. A header of one name that has `;`, a tab or `|` in it is
//! an error which says so, unless `delimiter` is set.
//!
//! # How far a file was read
//!
//! [`File`] keeps its position durably, for each source, flow and path as it stands in the conf:
//! behind the last row before which all rows are done. A process that starts again goes on there,
//! also when the file was rotated meanwhile. Each process with a store of its own reads the whole
//! file: a file has one reader for each process and flow, and shares no rows.
//!
//! | module | what it is |
//! |---|---|
//! | `params` | what a conf can say |
//! | `frame` | bytes to rows, wherever the bytes come from |
//! | `file` | [`File`]: growth, rotation, truncation, positions |
//! | `stdin` | [`Stdin`] |
//! | `rows` | [`Rows`]: the same rows without a source, for a program that feeds a flow itself |
//! | `edit` | [`csv_line`]: one line of CSV, which somebody has mended |
//! | `ahead` | the thread that reads for both |
//! | `unpack` | what is in gzip |
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
