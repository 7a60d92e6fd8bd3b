//! [`Emits`]: what a function hands on, as far as its result type shows it.

use crate::row::Fields;

/// What a function hands on.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum Emits {
    /// No rows.
    Nothing,
    /// Its input rows, all or some of them.
    Passed,
    /// New rows.
    Rows(Fields),
    /// New rows, or its input rows.
    Either(Fields),
    /// The result type does not show it.
    Unsaid,
}
