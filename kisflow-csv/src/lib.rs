//! CSV for the sources of kisflow: records of a text, and their fields as JSON.
//!
//! Files and posts read CSV with it, each in its own way: a file grows and is read in pieces, a post
//! is there as a whole. It knows neither, and has no input or output of its own.
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
    value::{write_text, write_value},
};
