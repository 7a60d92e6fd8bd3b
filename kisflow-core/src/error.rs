//! The error that functions return, and helpers to print a chain of causes.

use std::{
    error::Error,
    fmt,
    iter::successors,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Any error of a `#[faas]` function, a connector or a codec.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The result of a `#[faas]` function that can fail; `?` converts any error.
pub type Result<T, E = BoxError> = std::result::Result<T, E>;

/// An error that passes by itself: something that a function depends on is away, and its rows are
/// not at fault. A flow with a source waits, and tries again until they get through; none of them
/// goes to quarantine while the outage lasts. If a function says so of some rows of a batch, the
/// others go on meanwhile. Rows that wait for long do so in the store, see
/// [`WaitingConf`](crate::WaitingConf).
///
/// An outage of the flow's own connectors needs no such error: the flow pings them.
///
/// ```
/// use kisflow_core::{Result, Unavailable};
///
/// async fn price(article: u32) -> Result<f64> {
///     let answer: Result<f64> = Err("connection refused".into()); // ask another service
///     Ok(answer.map_err(Unavailable::new)?)
/// }
/// ```
#[derive(Debug)]
pub struct Unavailable(BoxError);

impl Unavailable {
    /// An outage, with its cause.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("what the function depends on is unavailable")
    }
}

impl Error for Unavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

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
        formatter.write_str(&error_texts(self.0).join(": "))
    }
}

/// The messages of an error and of its causes, outermost first. They are the users': code of theirs
/// that panics must not end what reports them.
pub(crate) fn error_texts(error: &(dyn Error + 'static)) -> Vec<String> {
    let texts = AssertUnwindSafe(|| {
        successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect()
    });
    let panics = || vec!["(an error whose own message panics)".to_owned()];
    catch_unwind(texts).unwrap_or_else(|_| panics())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Unspeakable;

    impl fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("it cannot be said")
        }
    }

    impl Error for Unspeakable {}

    #[test]
    fn an_error_that_panics_when_it_is_printed_does_not_end_what_prints_it() {
        let told = |error: BoxError| error_chain(&*error).to_string();
        assert_eq!(told(Box::new(Unspeakable)), "(an error whose own message panics)");
        let within = Unavailable::new(Unspeakable);
        assert_eq!(told(Box::new(within)), "(an error whose own message panics)");
        let fine = Unavailable::new("disk full");
        assert_eq!(told(Box::new(fine)), "what the function depends on is unavailable: disk full");
    }
}
