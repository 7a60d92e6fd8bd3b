//! [`Emits`]: what a function hands on, as far as its result type says.

use crate::row::Fields;

/// What a function hands on.
#[derive(Clone, Debug)]
#[doc(hidden)]
pub enum Emits {
    /// No rows.
    Nothing,
    /// The rows that it was given, all or some of them.
    Passed,
    /// Rows of its own.
    Rows(Fields),
    /// Rows of its own, or those that it was given.
    Either(Fields),
    /// The result type does not say.
    Unsaid,
}
