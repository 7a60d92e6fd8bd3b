//! Params read as a type: serde's deserializer over raw params, which gives each type what it asks
//! for.

use std::{cell::Cell, error::Error, fmt};

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{
    RawParam, RawParams,
    asked::Asked,
    is_secret,
    value::{Kind, NAME},
};
use crate::conf::{
    duration,
    scalar::{self, Meaning, NoWhole, Scalar},
};

/// Params that do not fit the type that they are read as. It shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamError {
    pub(crate) path: String,
    pub(crate) message: String,
}

impl fmt::Display for ParamError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "{}: ", self.path)?;
        }
        formatter.write_str(&self.message)
    }
}

impl Error for ParamError {}

/// What the deserializer itself says.
#[derive(Debug)]
pub(super) struct Misfit(String);

impl fmt::Display for Misfit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

pub(super) fn read<T: DeserializeOwned>(param: &RawParam) -> Result<T, ParamError> {
    read_as(|texts| serde_path_to_error::deserialize(Reading::at(Place::Param(param), texts)))
}

pub(super) fn read_map<T: DeserializeOwned>(params: &RawParams) -> Result<T, ParamError> {
    read_as(|texts| serde_path_to_error::deserialize(Reading::at(Place::Map(params), texts)))
}

/// The params as a type, and the fields that the type asks for; none where it does not say.
pub(super) fn read_known<T: DeserializeOwned>(
    params: &RawParams,
) -> (Result<T, ParamError>, &'static [&'static str]) {
    let fields = Cell::new(&[][..]);
    let read = read_as(|texts| {
        let reading = Reading::at(Place::Map(params), texts);
        serde_path_to_error::deserialize(Asked::new(reading, &fields))
    });
    (read, fields.get())
}

/// One param of several.
pub(super) fn read_one<T: DeserializeOwned>(name: &str, param: &RawParam) -> Result<T, ParamError> {
    read_as(|texts| serde_path_to_error::deserialize(Reading::of(name, param, texts)))
}

/// A type that takes anything and decides afterwards (`flatten`, `untagged`) is given numbers first;
/// if they do not fit, the texts of the numbers.
fn read_as<T>(
    read: impl Fn(bool) -> Result<T, serde_path_to_error::Error<Misfit>>,
) -> Result<T, ParamError> {
    let error = match read(false) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Ok(value) = read(true) {
        return Ok(value);
    }
    let path = error.path().to_string();
    let path = if path == "." { String::new() } else { path };
    let message = match path.split('.').any(is_secret) {
        true => "the value does not fit; it is a secret and not shown".to_owned(),
        false => error.into_inner().0,
    };
    Err(ParamError { path, message })
}

#[derive(Clone, Copy)]
struct Reading<'a> {
    place: Place<'a>,
    /// Whether a type that takes anything is given the text of a number.
    texts: bool,
    /// Whether a number is milliseconds, by the param's name: it may be written as `5s`.
    millis: bool,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Param(&'a RawParam),
    Map(&'a RawParams),
}

impl<'a> Reading<'a> {
    fn at(place: Place<'a>, texts: bool) -> Self {
        Self { place, texts, millis: false }
    }

    fn of(name: &str, param: &'a RawParam, texts: bool) -> Self {
        Self { place: Place::Param(param), texts, millis: name.ends_with("_ms") }
    }

    fn scalar(self) -> Option<&'a Scalar> {
        match self.place {
            Place::Param(param) => param.scalar(),
            Place::Map(_) => None,
        }
    }

    /// The text of a scalar that stands for something.
    fn text(self) -> Option<&'a str> {
        self.scalar()?.as_text()
    }

    fn map<'de, V: Visitor<'de>>(
        self,
        params: &'a RawParams,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let texts = self.texts;
        let fields = params
            .iter()
            .map(move |(name, param)| (name.as_str(), Reading::of(name, param, texts)));
        let mut map = MapDeserializer::new(fields);
        let value = visitor.visit_map(&mut map)?;
        map.end()?;
        Ok(value)
    }

    /// The error of a scalar that is no number of the kind that is wanted.
    fn no_number<'de, V: Visitor<'de>>(self, text: &str, why: NoWhole, visitor: &V) -> Misfit {
        if why == NoWhole::LeadingZero {
            return Misfit::custom(format_args!(
                "`{text}` has a leading zero, which some YAML readers take for octal; write `{}`",
                scalar::without_zeros(text)
            ));
        }
        match self.scalar().map(Scalar::meaning) {
            Some(Meaning::Float(_)) => {
                let found = format!("floating point `{text}`");
                Misfit::invalid_type(Unexpected::Other(&found), visitor)
            }
            _ => Misfit::invalid_type(Unexpected::Str(text), visitor),
        }
    }
}

impl<'de> IntoDeserializer<'de, Misfit> for Reading<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Whole numbers of each width: exactly, or not at all.
macro_rules! whole_numbers {
    ($($deserialize:ident $visit:ident $number:ty;)*) => {$(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            let Some(text) = self.text() else { return self.deserialize_any(visitor) };
            if self.millis && scalar::whole(text) == Err(NoWhole::Other) {
                let expected = duration::EXPECTED;
                let millis = duration::millis(text).map_err(|why| {
                    Misfit::custom(format_args!("expected {expected}, found {text:?}: {why}"))
                })?;
                return match <$number>::try_from(millis) {
                    Ok(millis) => visitor.$visit(millis),
                    Err(_) => Err(Misfit::custom(format_args!("{text:?} is too long"))),
                };
            }
            let too_large = |visitor: V| {
                let found = format!("integer `{text}`");
                Err(Misfit::invalid_value(Unexpected::Other(&found), &visitor))
            };
            match scalar::whole(text) {
                Ok(whole) => {
                    let number = match whole.negative {
                        true => 0_i128
                            .checked_sub_unsigned(whole.magnitude)
                            .and_then(|number| <$number>::try_from(number).ok()),
                        false => <$number>::try_from(whole.magnitude).ok(),
                    };
                    match number {
                        Some(number) => visitor.$visit(number),
                        None => too_large(visitor),
                    }
                }
                Err(NoWhole::TooLarge) => too_large(visitor),
                Err(why) => Err(self.no_number(text, why, &visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reading<'_> {
    type Error = Misfit;

    whole_numbers! {
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_u128 visit_u128 u128;
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_i128 visit_i128 i128;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let param = match self.place {
            Place::Map(params) => return self.map(params, visitor),
            Place::Param(param) => param,
        };
        let texts = self.texts;
        match &param.0 {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => visitor.visit_unit(),
                _ if texts => visitor.visit_str(&scalar.text),
                Meaning::Bool(value) => visitor.visit_bool(value),
                Meaning::Unsigned(value) => visitor.visit_u64(value),
                Meaning::Signed(value) => visitor.visit_i64(value),
                Meaning::Float(value) => visitor.visit_f64(value),
                Meaning::Large | Meaning::Text => visitor.visit_str(&scalar.text),
            },
            Kind::List(items) => {
                let items = items.iter().map(move |item| Reading {
                    place: Place::Param(item),
                    texts,
                    millis: false,
                });
                let mut items = SeqDeserializer::new(items);
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Kind::Map(params) => self.map(params, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text().and_then(scalar::boolean) {
            Some(value) => visitor.visit_bool(value),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let Some(text) = self.text() else { return self.deserialize_any(visitor) };
        match scalar::float(text) {
            Ok(float) => visitor.visit_f64(float),
            Err(why) => Err(self.no_number(text, why, &visitor)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text() {
            Some(text) => visitor.visit_str(text),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.text() {
            Some(text) => visitor.visit_bytes(text.as_bytes()),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.scalar() {
            Some(scalar) if scalar.is_null() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.scalar() {
            Some(Scalar { text, bare: true }) if name == NAME => {
                visitor.visit_bytes(text.as_bytes())
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let params = match self.place {
            Place::Map(params) => params,
            Place::Param(RawParam(Kind::Map(params))) => params,
            Place::Param(_) => {
                return match self.text() {
                    Some(text) => visitor.visit_enum(StrDeserializer::<Misfit>::new(text)),
                    None => self.deserialize_any(visitor),
                };
            }
        };
        let texts = self.texts;
        let fields = params
            .iter()
            .map(move |(name, param)| (name.as_str(), Reading::of(name, param, texts)));
        visitor.visit_enum(MapAccessDeserializer::new(MapDeserializer::new(fields)))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        unit unit_struct seq tuple tuple_struct map struct
    }
}
