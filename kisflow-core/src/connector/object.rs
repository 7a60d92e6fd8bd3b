//! [`Object`]: a row of any fields, each with the text that its value came in.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{
    error::{BoxError, Result},
    row::{Emit, RawRow, Row},
};

/// A row of any fields. Values are not read: a number that no type of Rust holds stays what it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    /// Names are distinct.
    fields: Vec<(String, Box<RawValue>)>,
}

/// What a value is, as far as that matters to a record.
#[derive(Debug, PartialEq)]
pub(super) enum Kept {
    Null,
    /// A text, without its quotes.
    Text(String),
    /// A number, true or false, as it came.
    Scalar(String),
    /// A list or a map, as JSON.
    Nested(String),
}

impl Kept {
    fn of(value: &RawValue) -> Result<Self> {
        let json = value.get();
        Ok(match json.as_bytes().first() {
            Some(b'"') => Self::Text(serde_json::from_str(json)?),
            Some(b'n') => Self::Null,
            Some(b'[' | b'{') => Self::Nested(json.to_owned()),
            _ => Self::Scalar(json.to_owned()),
        })
    }
}

impl Object {
    pub(super) fn get(&self, name: &str) -> Result<Option<Kept>> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| Kept::of(value)).transpose()
    }

    /// Every field.
    pub(super) fn fields(&self) -> impl Iterator<Item = Result<(&str, Kept)>> {
        self.fields.iter().map(|(name, value)| Ok((name.as_str(), Kept::of(value)?)))
    }

    /// Puts the fields in the order of their names.
    pub(super) fn sort(&mut self) {
        self.fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// Sets a field to what the text of a record's field looks like: a number, true or false, a list
    /// or a map, or else text.
    pub(super) fn set(&mut self, name: &str, text: &str) -> Result<()> {
        let looks = match text.as_bytes().first() {
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'[' | b'{') => {
                RawValue::from_string(text.to_owned()).ok().filter(|raw| raw.get() == text)
            }
            _ => None,
        };
        let value = match looks {
            Some(value) => value,
            None => serde_json::value::to_raw_value(text)?,
        };
        match self.fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => self.fields.push((name.to_owned(), value)),
        }
        Ok(())
    }
}

impl Row for Object {
    fn decode(row: RawRow<'_>) -> Result<Self, BoxError> {
        let Read(fields) = serde_json::from_str(row.text()?)?;
        let mut names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find_map(|pair| match pair {
            [one, other] if one == other => Some(*one),
            _ => None,
        });
        match twice {
            Some(name) => Err(format!("duplicate field `{name}`").into()),
            None => Ok(Self { fields }),
        }
    }

    fn culprit(row: RawRow<'_>) -> Option<String> {
        let message = Self::decode(row).err()?.to_string();
        let name = message.strip_prefix("duplicate field `")?.strip_suffix('`')?;
        Some(name.to_owned())
    }
}

impl Emit for Object {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.push(b'{');
        for (position, (name, value)) in self.fields.iter().enumerate() {
            if position > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, name)?;
            out.push(b':');
            // Between the tokens of JSON a line feed is a blank; within a text there is none.
            let blank = |byte: u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte };
            out.extend(value.get().bytes().map(blank));
        }
        out.push(b'}');
        Ok(())
    }
}

/// The fields as they came, doubled ones too.
struct Read(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadVisitor)
    }
}

struct ReadVisitor;

impl<'de> Visitor<'de> for ReadVisitor {
    type Value = Read;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry().map_err(A::Error::custom)? {
            fields.push(field);
        }
        Ok(Read(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, Object};
    use crate::row::{Emit, RawRow, Row};

    fn json(object: &Object) -> String {
        let mut out = Vec::new();
        object.encode(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_keep_their_text() {
        for row in [
            r#"{"id":18446744073709551616,"d":0.10,"z":-0,"e":1E5,"h":1e400}"#,
            r#"{"b":[1.10,{"a":null}],"a":"x\ny"}"#,
            "{}",
        ] {
            assert_eq!(json(&Object::decode(RawRow::Text(row)).unwrap()), row);
        }
        let pretty = Object::decode(RawRow::Text("{\n \"a\": [\n1]\n}")).unwrap();
        assert_eq!(json(&pretty), "{\"a\":[ 1]}");
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_by_its_name() {
        for row in [r#"{"id":1,"a":2,"id":3}"#, r#"{"id":1,"\u0069d":1}"#] {
            let error = Object::decode(RawRow::Text(row)).unwrap_err().to_string();
            assert_eq!(error, "duplicate field `id`");
            assert_eq!(Object::culprit(RawRow::Text(row)).as_deref(), Some("id"));
        }
        let error = Object::decode(RawRow::Text("[1]")).unwrap_err().to_string();
        assert!(error.starts_with("invalid type: sequence, expected an object"), "{error}");
        assert_eq!(Object::culprit(RawRow::Text("[1]")), None);
    }

    #[test]
    fn a_text_of_a_record_is_what_it_looks_like() {
        for (text, value) in [
            ("12", "12"),
            ("-0", "-0"),
            ("1e400", "1e400"),
            ("18446744073709551617", "18446744073709551617"),
            ("007", "\"007\""),
            ("12 ", "\"12 \""),
            ("true", "true"),
            ("truth", "\"truth\""),
            ("null", "\"null\""),
            ("\"a\"", "\"\\\"a\\\"\""),
            ("[1,2]", "[1,2]"),
            ("[1,2", "\"[1,2\""),
            ("", "\"\""),
        ] {
            let mut object = Object::default();
            object.set("a", text).unwrap();
            assert_eq!(json(&object), format!("{{\"a\":{value}}}"), "{text}");
        }
    }

    #[test]
    fn what_a_record_keeps_is_the_text_of_a_value() {
        let row = RawRow::Text(r#"{"a":"x\"y","b":null,"c":1.10,"d":[1, 2],"e":true}"#);
        let object = Object::decode(row).unwrap();
        let kept = |name: &str| object.get(name).unwrap();
        assert_eq!(kept("a"), Some(Kept::Text("x\"y".into())));
        assert_eq!(kept("b"), Some(Kept::Null));
        assert_eq!(kept("c"), Some(Kept::Scalar("1.10".into())));
        assert_eq!(kept("d"), Some(Kept::Nested("[1, 2]".into())));
        assert_eq!(kept("e"), Some(Kept::Scalar("true".into())));
        assert_eq!(kept("f"), None);
        assert_eq!(object.fields().count(), 5);
    }
}
