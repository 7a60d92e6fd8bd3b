//! [`RawParam`]: one param, as written in conf.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use super::{ParamError, RawParams, typed};
use crate::conf::{
    node::json,
    scalar::{self, Meaning, Scalar},
};

/// The name by which our own deserializer knows that a raw param is wanted.
pub(super) const NAME: &str = "$kisflow::RawParam";

/// One param, as written in conf: a scalar, with the text of the file, a list, or params by name.
///
/// ```
/// use kisflow_core::RawParam;
///
/// let version = RawParam::from("1.10");
/// assert_eq!(version.as_str(), Some("1.10"));
/// assert_eq!(version.as_f64(), Some(1.1));
/// assert_eq!(RawParam::from(5).as_str(), Some("5"));
/// ```
#[derive(Clone, PartialEq)]
pub struct RawParam(pub(in crate::conf) Kind);

#[derive(Clone, PartialEq)]
pub(in crate::conf) enum Kind {
    Scalar(Scalar),
    List(Vec<RawParam>),
    Map(RawParams),
}

/// What stands at a name that is not there.
static NOTHING: RawParam = RawParam(Kind::Scalar(Scalar { text: String::new(), bare: true }));

impl RawParam {
    pub(super) fn nothing() -> &'static Self {
        &NOTHING
    }

    /// Returns the text of the file: `01234`, `1.10`, `0x1F`, `true`. `None` for a list, a map, and
    /// an empty value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.scalar()?.as_text()
    }

    /// Returns the text as a whole number from 0.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        let whole = scalar::whole(self.as_str()?).ok()?;
        if whole.negative && whole.magnitude > 0 {
            return None;
        }
        whole.magnitude.try_into().ok()
    }

    /// Returns the text as a whole number.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        let whole = scalar::whole(self.as_str()?).ok()?;
        let magnitude = i128::try_from(whole.magnitude).ok()?;
        i64::try_from(if whole.negative { -magnitude } else { magnitude }).ok()
    }

    /// Returns the text as a number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        scalar::float(self.as_str()?).ok()
    }

    /// Returns the text as a boolean: `true`, `false`, `yes`, `no`, `on`, `off`, `y`, `n`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        scalar::boolean(self.as_str()?)
    }

    /// Returns the items of a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.0 {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the fields of a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&RawParams> {
        match &self.0 {
            Kind::Map(fields) => Some(fields),
            _ => None,
        }
    }

    /// Returns `true` if it is empty: `null`, `~`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }

    /// Returns the value as JSON, as a row has it: a number keeps the digits of the file, however
    /// many there are.
    ///
    /// ```
    /// use kisflow_core::RawParam;
    ///
    /// assert_eq!(RawParam::from(5).to_json_text(), "5");
    /// assert_eq!(RawParam::from("5").to_json_text(), "\"5\"");
    /// ```
    #[must_use]
    pub fn to_json_text(&self) -> String {
        match &self.0 {
            Kind::Scalar(scalar) => scalar.to_json_text(),
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_json_text).collect();
                format!("[{}]", items.join(","))
            }
            Kind::Map(fields) => {
                let field = |(name, value): (&String, &Self)| {
                    format!("{}:{}", Value::from(name.as_str()), value.to_json_text())
                };
                format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Returns the JSON value: a number if the text is a number of 64 bits.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.0 {
            Kind::Scalar(scalar) => json(scalar),
            Kind::List(items) => items.iter().map(Self::to_json).collect(),
            Kind::Map(fields) => Value::Object(
                fields.iter().map(|(name, value)| (name.clone(), value.to_json())).collect(),
            ),
        }
    }

    /// Reads the param as a type: a text gets the text of the file, a number the number.
    ///
    /// # Errors
    ///
    /// When it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ParamError> {
        typed::read(self)
    }

    pub(in crate::conf) fn scalar(&self) -> Option<&Scalar> {
        match &self.0 {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }
}

/// The text of the file; a list or a map as JSON.
impl fmt::Display for RawParam {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Scalar(scalar) => formatter.write_str(&scalar.text),
            _ => formatter.write_str(&self.to_json_text()),
        }
    }
}

impl fmt::Debug for RawParam {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Scalar(Scalar { text, bare: true }) => formatter.write_str(text),
            Kind::Scalar(Scalar { text, .. }) => text.fmt(formatter),
            Kind::List(items) => items.fmt(formatter),
            Kind::Map(fields) => fields.fmt(formatter),
        }
    }
}

impl<T: Into<Value>> From<T> for RawParam {
    fn from(value: T) -> Self {
        Self(match value.into() {
            Value::Null => Kind::Scalar(Scalar::plain("null")),
            Value::Bool(value) => Kind::Scalar(Scalar::plain(value.to_string())),
            Value::Number(number) => Kind::Scalar(Scalar::plain(number.to_string())),
            Value::String(text) => Kind::Scalar(Scalar::quoted(text)),
            Value::Array(items) => Kind::List(items.into_iter().map(Self::from).collect()),
            Value::Object(fields) => Kind::Map(
                fields.into_iter().map(|(name, value)| (name, Self::from(value))).collect(),
            ),
        })
    }
}

/// A scalar equals a text by its own text.
impl PartialEq<str> for RawParam {
    fn eq(&self, text: &str) -> bool {
        self.as_str() == Some(text)
    }
}

impl PartialEq<&str> for RawParam {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == Some(*text)
    }
}

impl PartialEq<Value> for RawParam {
    fn eq(&self, value: &Value) -> bool {
        self.to_json() == *value
    }
}

impl Serialize for RawParam {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => serializer.serialize_unit(),
                Meaning::Bool(value) => serializer.serialize_bool(value),
                Meaning::Unsigned(value) => serializer.serialize_u64(value),
                Meaning::Signed(value) => serializer.serialize_i64(value),
                Meaning::Float(value) => serializer.serialize_f64(value),
                Meaning::Large | Meaning::Text => serializer.serialize_str(&scalar.text),
            },
            Kind::List(items) => items.serialize(serializer),
            Kind::Map(fields) => fields.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RawParam {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(NAME, RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawParam;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a param")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<RawParam, D::Error> {
        inner.deserialize_any(self)
    }

    fn visit_unit<E>(self) -> Result<RawParam, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawParam, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawParam, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawParam, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawParam, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<RawParam, E> {
        Ok(value.into())
    }

    /// The text of a bare scalar: only our own deserializer calls it.
    fn visit_bytes<E: serde::de::Error>(self, text: &[u8]) -> Result<RawParam, E> {
        let text = std::str::from_utf8(text).map_err(E::custom)?;
        Ok(RawParam(Kind::Scalar(Scalar::plain(text))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawParam, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawParam(Kind::List(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawParam, A::Error> {
        let mut fields = RawParams::new();
        while let Some((name, value)) = map.next_entry::<String, RawParam>()? {
            fields.0.insert(name, value);
        }
        Ok(RawParam(Kind::Map(fields)))
    }
}
