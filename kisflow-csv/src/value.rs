//! The JSON of a CSV field: a number, a boolean, `null`, or text.

use kisflow_core::PlainValue;

/// Appends a field to `out` as JSON. With `as_text` it is text, whatever it looks like; with
/// `decimal_comma` the fraction of a number follows a comma instead of a point.
pub fn write_value(out: &mut Vec<u8>, field: &str, as_text: bool, decimal_comma: bool) {
    match field {
        _ if as_text => PlainValue(field).write_text(out),
        _ if decimal_comma && field.contains(['.', ',']) => write_decimal(out, field),
        _ => PlainValue(field).write_json(out),
    }
}

/// Appends a field with a comma or a point, where numbers have a comma. A point may separate
/// thousands, so such a field is text.
fn write_decimal(out: &mut Vec<u8>, field: &str) {
    let number = field.replacen(',', ".", 1);
    match !field.contains('.') && PlainValue(&number).is_number() {
        true => out.extend_from_slice(number.as_bytes()),
        false => PlainValue(field).write_text(out),
    }
}

#[cfg(test)]
mod tests {
    use super::write_value;

    fn json(field: &str, as_text: bool, decimal_comma: bool) -> String {
        let mut out = Vec::new();
        write_value(&mut out, field, as_text, decimal_comma);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_decimal_comma_is_one_where_the_params_say_so() {
        for (field, expected) in [
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
            assert_eq!(json(field, false, true), expected, "{field}");
        }
    }

    #[test]
    fn a_field_of_a_text_column_is_text() {
        for text in ["", "12", "true", "1,5", "a\"b\n"] {
            let json = json(text, true, true);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
        assert_eq!(json("12", false, false), "12");
    }

    #[test]
    fn every_field_is_json() {
        proptest::proptest!(|(field: String, number in "-?[0-9]{0,22}(\\.[0-9]{0,22})?(e-?[0-9]{1,4})?")| {
            for field in [field, number] {
                serde_json::from_str::<serde_json::Value>(&json(&field, false, false)).unwrap();
            }
        });
    }
}
