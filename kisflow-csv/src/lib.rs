//! CSV for the sources of kisflow: records of a text, and their fields as JSON.
//!
//! `kisflow-file` reads files that grow, in pieces; `kisflow-http` reads bodies that are complete.
//! This crate has no input or output of its own.
//!
//! The reader is our own, although `csv-core` also accepts pieces: a source needs the place and the
//! original text of each record, for its position and for quarantine, and text behind a closing
//! quote is a broken record at a known place, where `csv-core` makes it a part of the field.
//!
//! | module | what it is |
//! |---|---|
//! | `record` | [`Record`]: one record, taken apart |
//! | `header` | [`columns`]: the names |
//! | `value` | [`write_value`]: what a field is in JSON |

mod header;
mod record;
mod value;

pub use crate::{
    header::{Column, columns, hint},
    record::{Dialect, Extent, Read, Record, first_line},
    value::write_value,
};
