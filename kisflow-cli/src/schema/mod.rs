//! `schema`: the JSON Schema of the conf, for editors. `tests/schema.rs` keeps it true.

use crate::{failure::Failure, terminal};

/// Every kind of conf and every key, with its help.
pub(crate) const SCHEMA: &str = include_str!("kisflow.schema.json");

pub(crate) fn print() -> Result<(), Failure> {
    terminal::print(SCHEMA)
}
