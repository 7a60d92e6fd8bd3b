//! Why a text is not a row, with how to correct it.

use crate::{error::BoxError, row::RawRow};

/// The row as text.
///
/// # Errors
///
/// When it is not UTF-8.
#[inline]
pub(crate) fn text(row: RawRow<'_>) -> Result<&str, BoxError> {
    row.text().map_err(|error| not_utf8(row.bytes(), error))
}

#[cold]
fn not_utf8(row: &[u8], error: std::str::Utf8Error) -> BoxError {
    let byte = row.get(error.valid_up_to()).copied().unwrap_or_default();
    format!("not UTF-8: byte 0x{byte:02X}; convert the text, as with `iconv -f LATIN1 -t UTF-8`")
        .into()
}

/// Why a text is not the JSON that was expected.
#[cold]
pub(crate) fn no_json(row: &str, error: serde_json::Error) -> BoxError {
    match !error.is_data() && row.contains('\0') {
        true => "a NUL byte, which no JSON has".into(),
        false => Box::new(error),
    }
}
