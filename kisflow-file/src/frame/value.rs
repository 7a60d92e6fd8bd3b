//! What a CSV field is in JSON: a number, a boolean, nothing, or text.

use kisflow_core::PlainValue;

/// Writes a field as JSON. With `as_text` it is text, whatever it looks like.
pub(super) fn write(out: &mut Vec<u8>, field: &str, as_text: bool) {
    match as_text {
        true => write_text(out, field),
        false => PlainValue(field).write_json(out),
    }
}

/// Writes a text with its quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    PlainValue(text).write_text(out);
}

#[cfg(test)]
mod tests {
    use super::write;

    fn json(field: &str, as_text: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, field, as_text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_field_that_is_to_be_text_is_text() {
        assert_eq!([json("12", false), json("12", true), json("", true)], ["12", "\"12\"", "\"\""]);
    }

    #[test]
    fn every_field_is_json() {
        proptest::proptest!(|(field: String, number in "-?[0-9]{0,22}(\\.[0-9]{0,22})?(e-?[0-9]{1,4})?")| {
            for field in [field, number] {
                serde_json::from_str::<serde_json::Value>(&json(&field, false)).unwrap();
            }
        });
    }
}
