//! Records as fields of text, and back: what an engine keeps can be read by people and by other
//! programs.

mod read;
mod write;

pub(crate) use self::read::from_fields;
pub(crate) use self::write::to_fields;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::{from_fields, to_fields};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Level {
        Low,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        id: u32,
        avg: f64,
        name: String,
        digits: String,
        maybe: Option<i8>,
        list: Vec<u8>,
        level: Level,
        on: bool,
    }

    fn record() -> Record {
        Record {
            id: 101,
            avg: 76.666_666_666_666_67,
            name: "a \"b\"".into(),
            digits: "007".into(),
            maybe: Some(-1),
            list: vec![1, 2],
            level: Level::Low,
            on: true,
        }
    }

    fn read<T: for<'de> Deserialize<'de>>(fields: Vec<super::write::Field>) -> crate::Result<T> {
        from_fields(
            fields
                .into_iter()
                .filter_map(|(name, text)| Some((name.into_owned(), text?)))
                .collect(),
        )
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        assert_eq!(read::<Record>(to_fields(&record()).unwrap()).unwrap(), record());
        let none = Record { maybe: None, ..record() };
        assert_eq!(read::<Record>(to_fields(&none).unwrap()).unwrap(), none);
        let map = BTreeMap::from([(7_u32, "x".to_owned())]);
        assert_eq!(
            read::<BTreeMap<String, String>>(to_fields(&map).unwrap()).unwrap(),
            BTreeMap::from([("7".into(), "x".into())])
        );
    }

    #[test]
    fn a_field_that_does_not_parse_is_named_with_its_text() {
        let wrong = vec![("id".to_owned(), "abc".to_owned())];
        let error = from_fields::<Record>(wrong).unwrap_err().to_string();
        assert_eq!(error, "field `id` is \"abc\": invalid digit found in string");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(to_fields(&5).unwrap_err().to_string().contains("has to be a struct or a map"));
        let nan = Record { avg: f64::NAN, ..record() };
        assert!(to_fields(&nan).unwrap_err().to_string().contains("field `avg`: it is NaN"));
    }
}
