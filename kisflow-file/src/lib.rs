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
//! **NDJSON**: each line is a row, as it stands. **CSV**: each record becomes a JSON object, with
//! the names of the header, or of `fields`. A value that is a number in JSON's own writing, and that
//! no number type would round (`12`, `-0.5`, `1.50`, `1e-7`; not `007`, `+1`, `.5`, nor 20 digits),
//! is a number, as a typed function expects it; `true` and `false` are booleans, nothing is `null`,
//! all else is text. Columns that `text` names are always text: ids, postcodes, versions. Whether a
//! value stands in quotes says nothing of its type.
//!
//! Lines end with `\n` or `\r\n`; blank ones are no rows. A UTF-8 byte-order mark is skipped; text in
//! UTF-16 is an error.
//!
//! **A line that is no row stops nothing and is not lost.** It is handed out as it stands, for the
//! function to reject, so that quarantine holds its own text and position: what is no JSON or no
//! UTF-8, a CSV record with a wrong number of fields, a line with a quote that is never closed or
//! that has text behind it, and of a line that is longer than `max_line_bytes` the first 1,024 bytes, with a
//! note behind them. (Such a CSV line may be JSON by chance, as `12` is: a function that reads its
//! rows as a struct still rejects it.)
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
//! | `ahead` | the thread that reads for both |
//! | `error` | [`FileError`] |

mod ahead;
mod error;
mod file;
mod frame;
mod params;
mod rows;
mod stdin;

pub use crate::{
    error::FileError,
    file::{File, ResetTo, is_pattern, matching, reset_position},
    params::{FileParams, Format, Order, StdinParams},
    rows::{PlacedRows, Rows},
    stdin::Stdin,
};
