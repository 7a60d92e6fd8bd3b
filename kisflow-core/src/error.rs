//! The error that functions return, and helpers to print a chain of causes.

use std::{error::Error, fmt};

/// Any error: what a `#[faas]` function, a connector or a codec may fail with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What a `#[faas]` function returns when it can fail; `?` takes any error.
pub type Result<T, E = BoxError> = std::result::Result<T, E>;

/// An error with its causes on one line, outermost first: `a: b: c`.
///
/// ```
/// let cause: kisflow_core::BoxError = "disk full".into();
/// assert_eq!(kisflow_core::error_chain(&*cause).to_string(), "disk full");
/// ```
pub fn error_chain<'a>(error: &'a (dyn Error + 'static)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(formatter, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
