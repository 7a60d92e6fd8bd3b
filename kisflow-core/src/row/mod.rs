//! Rows: what a function may read ([`Row`]), what it may hand on ([`Emit`]), and the encodings
//! that rows travel in ([`Codec`]).
//!
//! Any type with `Deserialize` is a `Row`, any type with `Serialize` may be emitted. A type with
//! neither (such as a protobuf message) implements the two traits by hand.

mod cause;
mod codec;
mod fields;
pub(crate) mod finite;
mod go;
mod lack_log;
mod made_up;
mod must;
mod names;
mod objects;
mod plain;
mod scan;
mod value_end;

use std::any::TypeId;

use serde::{Serialize, de::DeserializeOwned};

pub use self::codec::Codec;
pub(crate) use self::codec::CodecFor;
pub(crate) use self::codec::ErasedCodec;
use self::fields::fields_of;
#[doc(hidden)]
pub use self::fields::{Fields, Given, Hidden};
#[doc(hidden)]
pub use self::go::Learned;
pub(crate) use self::lack_log::{LackLog, LackWarning};
pub(crate) use self::must::{MUST_LIMIT, Must};
#[doc(hidden)]
pub use self::names::FieldNames;
pub(crate) use self::objects::Objects;
pub use self::plain::PlainValue;
pub(crate) use self::scan::field_text;
pub use self::value_end::json_value_end;
use crate::error::BoxError;

/// The longest path to a field that a report shows whole.
const LONGEST_PATH: usize = 100;

/// One row as it arrived: text if the whole batch is known to be UTF-8, otherwise bytes.
#[derive(Clone, Copy, Debug)]
pub enum RawRow<'a> {
    /// The row is valid UTF-8.
    Text(&'a str),
    /// These bytes are not checked yet.
    Bytes(&'a [u8]),
}

impl<'a> RawRow<'a> {
    /// Returns the row's bytes.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Returns the row as text.
    ///
    /// # Errors
    ///
    /// When the row is not valid UTF-8.
    pub fn text(self) -> Result<&'a str, std::str::Utf8Error> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes),
        }
    }
}

/// A type that a function can read its rows as.
///
/// Every `T: Deserialize` is one, read from JSON; a struct is read from a JSON object, never from
/// an array of its values. Implement it by hand for a type with its own encoding:
///
/// ```
/// use kisflow_core::{BoxError, RawRow, Row};
///
/// /// A log line such as `warn disk is nearly full`.
/// struct LogLine {
///     level: String,
///     message: String,
/// }
///
/// impl Row for LogLine {
///     fn decode(row: RawRow<'_>) -> Result<Self, BoxError> {
///         let (level, message) = row.text()?.split_once(' ').ok_or("a log line has a level and a message")?;
///         Ok(Self { level: level.to_owned(), message: message.to_owned() })
///     }
/// }
/// # let line = LogLine::decode(RawRow::Text("warn disk is nearly full")).unwrap();
/// # assert_eq!((line.level.as_str(), line.message.as_str()), ("warn", "disk is nearly full"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read as a row",
    label = "a function reads its rows as a type with `Deserialize`",
    note = "add `#[derive(serde::Deserialize)]` to `{Self}`, or implement `kisflow::Row` for it by hand"
)]
pub trait Row: Sized + Send + Sync + 'static {
    /// Reads one row.
    ///
    /// # Errors
    ///
    /// When the row is not of this type: it is rejected with this cause.
    fn decode(row: RawRow<'_>) -> Result<Self, BoxError>;

    /// Returns the field of `row` at fault, for the report of a rejected row.
    #[doc(hidden)]
    #[must_use]
    fn culprit(_row: RawRow<'_>) -> Option<String> {
        None
    }

    /// Reads one row with `row_defaults: go`.
    #[doc(hidden)]
    fn decode_as_go(row: RawRow<'_>, _: &Learned) -> Result<Self, BoxError> {
        Self::decode(row)
    }

    /// Returns the field of `row` at fault with `row_defaults: go`.
    #[doc(hidden)]
    #[must_use]
    fn culprit_as_go(row: RawRow<'_>) -> Option<String> {
        Self::culprit(row)
    }

    /// Returns the fields that this type knows, and which of them a row must have.
    #[doc(hidden)]
    #[must_use]
    fn fields() -> Fields {
        Fields::hidden::<Self>()
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + Sync + 'static> Row for T {
    #[inline]
    fn decode(row: RawRow<'_>) -> Result<Self, BoxError> {
        let text = cause::text(row)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = T::deserialize(Objects(&mut json)).and_then(|row| json.end().map(|()| row));
        read.map_err(|error| no_row::<T>(text, error))
    }

    #[cold]
    fn culprit(row: RawRow<'_>) -> Option<String> {
        let mut json = serde_json::Deserializer::from_str(row.text().ok()?);
        let error = serde_path_to_error::deserialize::<_, T>(Objects(&mut json)).err()?;
        field_at(error.path().to_string(), &error.inner().to_string())
    }

    fn decode_as_go(row: RawRow<'_>, learned: &Learned) -> Result<Self, BoxError> {
        Ok(go::read(row.text()?, learned)?)
    }

    #[cold]
    fn culprit_as_go(row: RawRow<'_>) -> Option<String> {
        let (path, message) = go::culprit::<T>(row.text().ok()?)?;
        field_at(path, &message)
    }

    fn fields() -> Fields {
        Fields { type_id: Some(TypeId::of::<T>()), ..fields_of::<T>() }
    }
}

/// The field that an error names.
fn field_at(path: String, message: &str) -> Option<String> {
    // A missing field has no path of its own: serde names it in the message.
    let missing = message
        .strip_prefix("missing field `")
        .or_else(|| message.strip_prefix("duplicate field `"))
        .and_then(|rest| rest.split_once('`'))
        .map(|(field, _)| field);
    match (path.as_str(), missing) {
        (".", Some(field)) => Some(field.to_owned()),
        (".", None) => None,
        (parent, Some(field)) => Some(format!("{parent}.{field}")),
        // A key that is none, and a path as long as a row, name nothing.
        (_, None) if path.contains('?') => None,
        (_, None) if path.len() > LONGEST_PATH => path.split(['.', '[']).next().map(str::to_owned),
        (_, None) => Some(path),
    }
}

/// Why a row is not a `T`. Plain text is most likely where texts are read.
#[cold]
fn no_row<T: 'static>(text: &str, error: serde_json::Error) -> BoxError {
    if error.is_syntax() && TypeId::of::<T>() == TypeId::of::<String>() {
        return format!("{error}: the row is no text of JSON, which stands in quotes; rows of plain text are given as `Batch::text`").into();
    }
    cause::no_json(text, error)
}

/// A type that a function can hand on as rows.
///
/// Every `T: Serialize` is one. It is encoded only if the next function reads another type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handed on as a row",
    label = "a function emits rows of a type with `Serialize`",
    note = "add `#[derive(serde::Serialize)]` to `{Self}`, or implement `kisflow::Emit` for it by hand"
)]
pub trait Emit: Send + Sync + 'static {
    /// Appends the row to `out` as one JSON text.
    ///
    /// # Errors
    ///
    /// When the row has no JSON form: a map with keys that are not strings, a float that is NaN or
    /// infinite.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Reports the names of its fields; returns `false` if only its JSON has them.
    #[doc(hidden)]
    fn name_fields(&self, _names: &mut FieldNames<'_>) -> bool {
        false
    }
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Send + Sync + 'static> Emit for T {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let start = out.len();
        serde_json::to_writer(&mut *out, self)?;
        // serde_json writes NaN as `null`: a row that would change on its way is refused.
        let text = out.get(start..).unwrap_or_default();
        if memchr::memmem::find(text, b"null").is_some() {
            finite::check(self)?;
        }
        Ok(())
    }

    fn name_fields(&self, names: &mut FieldNames<'_>) -> bool {
        names.ask(self)
    }
}
