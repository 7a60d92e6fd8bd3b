//! `kistype: test`: what the rows and records of a conf are, and how they are written.

use std::fs;

use kisflow_core::{Conf, RawParam};

/// A row of a conf is this JSON, and says the same when it was written; so does a field of a record.
#[track_caller]
fn check(yaml: &str, json: &str) {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "kistype: test\ntname: T\nfunction: F\ngiven:\n  rows: [{yaml}]\n  records: {{C: {{7: {{a: {yaml}}}}}}}\nexpect:\n  rows: [{yaml}]\n  records: {{C: {{7: {{a: {yaml}}}}}}}\n"
    );
    fs::write(dir.path().join("test.yml"), text).unwrap();
    let conf = Conf::read(dir.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    conf.write(out.path()).unwrap();
    let again = Conf::read(out.path()).unwrap();
    assert_eq!(again, conf, "{yaml}");
    let test = &again.tests["T"];
    let texts = |rows: &[RawParam]| rows.iter().map(RawParam::to_json_text).collect::<Vec<_>>();
    assert_eq!(texts(&test.given.rows), [json]);
    assert_eq!(texts(test.expect.rows.as_deref().unwrap()), [json]);
    assert_eq!(test.given.records["C"]["7"]["a"].to_json_text(), json);
    assert_eq!(test.expect.records["C"]["7"]["a"].to_json_text(), json);
}

#[test]
fn a_row_has_the_digits_of_the_file() {
    for number in [
        "1.10",
        "1.0",
        "-0",
        "1e400",
        "18446744073709551616",
        "18446744073709551617",
        "-9223372036854775809",
        "0.123456789012345678901234567890",
        "12345678901234567890123456789012345678901234567890",
    ] {
        check(number, number);
        check(&format!("{{a: [{number}], b: {{c: {number}}}}}"), &{
            format!(r#"{{"a":[{number}],"b":{{"c":{number}}}}}"#)
        });
        check(&format!("\"{number}\""), &format!("\"{number}\""));
    }
    check("0x1F", "31");
    check("007", "\"007\"");
    check("yes", "\"yes\"");
    check("true", "true");
    check("~", "null");
    check("{}", "{}");
    check("\"$x ${HOST} \\u2028 <<\"", "\"$x ${HOST} \u{2028} <<\"");
}

#[test]
fn records_that_are_no_maps_are_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let text = "kistype: test\ntname: T\nfunction: F\ngiven:\n  records: {C: {7: [1]}}\nexpect: {outcome: completed}\n";
    fs::write(dir.path().join("test.yml"), text).unwrap();
    let problems = Conf::read(dir.path()).unwrap_err().to_string();
    let expected = "test.yml:5: given.records.C.7: expected the fields of a record, found a list";
    assert!(problems.ends_with(expected), "{problems}");
}
