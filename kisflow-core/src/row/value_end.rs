//! [`json_value_end`]: where a JSON value ends, for sources whose rows are not lines.

use serde::de::{Error, IgnoredAny};

/// Returns where the first JSON value of a text ends. Blanks may precede it; anything may follow.
/// Its grammar is checked, but not whether its strings are UTF-8.
///
/// ```
/// use kisflow_core::json_value_end;
///
/// assert_eq!(json_value_end(b" [1, 2] [3").unwrap(), 7);
/// assert!(json_value_end(b"[1, ").unwrap_err().is_eof());
/// ```
///
/// # Errors
///
/// When there is none: [`is_eof`](serde_json::Error::is_eof) says that more of it may follow. A
/// number at the end of the text counts as complete, although more digits may follow.
pub fn json_value_end(text: &[u8]) -> Result<usize, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(IgnoredAny)) => Ok(values.byte_offset()),
        Some(Err(error)) => Err(error),
        None => Err(serde_json::from_slice::<IgnoredAny>(text)
            .err()
            .unwrap_or_else(|| Error::custom("there is no value"))),
    }
}
