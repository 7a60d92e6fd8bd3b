//! What a CSV field is in JSON: a number, a boolean, nothing, or text.

use kisflow_core::PlainValue;

/// Writes a field as JSON. With `as_text` it is text, whatever it looks like; with `comma` a number
/// has a comma where others have a point.
pub(super) fn write(out: &mut Vec<u8>, field: &str, as_text: bool, comma: bool) {
    match field {
        _ if as_text => write_text(out, field),
        _ if comma && field.contains(['.', ',']) => write_decimal(out, field),
        _ => PlainValue(field).write_json(out),
    }
}

/// Writes a value with a comma or a point, where numbers have a comma. A point could be one between
/// thousands as well: that is text.
fn write_decimal(out: &mut Vec<u8>, field: &str) {
    let number = field.replacen(',', ".", 1);
    match !field.contains('.') && PlainValue(&number).is_number() {
        true => out.extend_from_slice(number.as_bytes()),
        false => write_text(out, field),
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
        write(&mut out, field, as_text, false);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_decimal_comma_is_one_where_the_params_say_so() {
        for (field, json) in [
            ("1,5", "1.5"),
            ("-0,25", "-0.25"),
            ("12", "12"),
            ("1,5e3", "1.5e3"),
            ("1.5", "\"1.5\""),
            ("1.234,56", "\"1.234,56\""),
            ("1,234,5", "\"1,234,5\""),
            (",5", "\",5\""),
            ("a,b", "\"a,b\""),
            ("", "null"),
        ] {
            let mut out = Vec::new();
            write(&mut out, field, false, true);
            assert_eq!(String::from_utf8(out).unwrap(), json, "{field}");
        }
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
