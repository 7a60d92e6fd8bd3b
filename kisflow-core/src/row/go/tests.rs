//! What Go's `encoding/json` makes of the same text, case by case, after its documentation.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Learned, culprit, read};

#[derive(Serialize, Deserialize)]
struct Scores {
    stu_id: i64,
    score_1: i64,
    score_2: f64,
}

#[derive(Serialize, Deserialize)]
struct Everything {
    flag: bool,
    small: u8,
    float: f32,
    text: String,
    list: Vec<i32>,
    map: BTreeMap<String, i32>,
    maybe: Option<i32>,
    inner: Scores,
    pair: (i32, String),
    array: [i32; 3],
    any: serde_json::Value,
    wrapped: Wrapped,
}

#[derive(Serialize, Deserialize)]
struct Wrapped(i32);

#[derive(Serialize, Deserialize)]
struct Own {
    #[serde(default = "seven")]
    seven: i32,
    #[serde(alias = "old")]
    new: i32,
    #[serde(default)]
    plain: i32,
}

fn seven() -> i32 {
    7
}

#[derive(Serialize, Deserialize)]
enum Kind {
    Point { x: i32, y: i32 },
    Size(i32, i32),
    Name(Scores),
    Nothing,
}

#[derive(Serialize, Deserialize)]
struct Kinds {
    kind: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
struct Endless {
    more: Box<Endless>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    flat: Flat,
}

#[derive(Serialize, Deserialize)]
struct Flat {
    x: i32,
    #[serde(flatten)]
    more: BTreeMap<String, i32>,
}

#[derive(Serialize, Deserialize)]
struct Cased {
    id: i32,
    #[serde(rename = "ID")]
    upper: i32,
}

/// `made` is the row as JSON, or a part of the error.
#[track_caller]
fn check<T: DeserializeOwned + Serialize>(json: &str, made: &str) {
    let learned = Learned::default();
    // What was learned from a row is right for the next one.
    for _ in 0..2 {
        match read::<T>(json, &learned) {
            Ok(row) => assert_eq!(serde_json::to_string(&row).unwrap(), made, "{json}"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains(made) && !made.is_empty(), "{json}: {error}");
            }
        }
    }
}

#[test]
fn a_field_that_is_missing_or_null_is_its_zero_value() {
    let zero = r#"{"stu_id":0,"score_1":0,"score_2":0.0}"#;
    check::<Scores>("{}", zero);
    check::<Scores>(r#"{"stu_id":null,"score_1":null,"score_2":null}"#, zero);
    check::<Scores>("null", zero);
    check::<Scores>(r#"{"stu_id":101}"#, r#"{"stu_id":101,"score_1":0,"score_2":0.0}"#);
    let everything = format!(
        r#"{{"flag":false,"small":0,"float":0.0,"text":"","list":[],"map":{{}},"maybe":null,"inner":{zero},"pair":[0,""],"array":[0,0,0],"any":null,"wrapped":0}}"#
    );
    check::<Everything>("{}", &everything);
    let nulls = r#"{"flag":null,"small":null,"float":null,"text":null,"list":null,"map":null,"maybe":null,"inner":null,"pair":null,"array":null,"any":null,"wrapped":null}"#;
    check::<Everything>(nulls, &everything);
}

#[test]
fn nulls_and_missing_fields_at_any_depth_are_zero_values() {
    check::<Vec<i32>>("[1,null,3]", "[1,0,3]");
    check::<Vec<String>>(r#"["a",null]"#, r#"["a",""]"#);
    check::<BTreeMap<String, bool>>(r#"{"a":null,"b":true}"#, r#"{"a":false,"b":true}"#);
    check::<Vec<Option<i32>>>("[null,1]", "[null,1]");
    check::<Vec<Scores>>(
        r#"[{"stu_id":1},null]"#,
        r#"[{"stu_id":1,"score_1":0,"score_2":0.0},{"stu_id":0,"score_1":0,"score_2":0.0}]"#,
    );
    check::<Option<Scores>>(r#"{"score_2":2}"#, r#"{"stu_id":0,"score_1":0,"score_2":2.0}"#);
    check::<HashMap<u8, Vec<Wrapped>>>(r#"{"7":[null]}"#, r#"{"7":[0]}"#);
}

#[test]
fn a_key_is_the_field_of_that_name_or_else_the_one_of_the_same_letters() {
    let made = r#"{"stu_id":103,"score_1":1,"score_2":2.0}"#;
    check::<Scores>(r#"{"Stu_ID":103,"Score_1":1,"score_2":2}"#, made);
    check::<Scores>(r#"{"STU_ID":103,"SCORE_1":1,"\u0053core_2":2}"#, made);
    // Letters of Unicode that are an `s` without their case.
    check::<Scores>(r#"{"ſtu_id":103,"score_1":1,"ſcore_2":2}"#, made);
    check::<Scores>(r#"{"stu_id":103,"score_1":1,"score_2":2,"more":[{}]}"#, made);
    check::<Cased>(r#"{"ID":1,"id":2}"#, r#"{"id":2,"ID":1}"#);
    check::<Cased>(r#"{"Id":1}"#, r#"{"id":1,"ID":0}"#);
    // The keys of a map are its own.
    check::<BTreeMap<String, i32>>(r#"{"A":1,"a":2}"#, r#"{"A":1,"a":2}"#);
}

#[test]
fn of_a_field_that_stands_twice_the_last_one_counts_that_is_not_null() {
    check::<Wrapped>("1", "1");
    let made = r#"{"stu_id":2,"score_1":0,"score_2":0.0}"#;
    check::<Scores>(r#"{"stu_id":1,"stu_id":2}"#, made);
    check::<Scores>(r#"{"stu_id":1,"STU_ID":2}"#, made);
    check::<Scores>(r#"{"STU_ID":2,"stu_id":null}"#, made);
}

#[test]
fn an_array_is_cut_or_filled_to_its_length() {
    check::<[i32; 3]>("[1]", "[1,0,0]");
    check::<[i32; 2]>("[1,2,3]", "[1,2]");
    check::<(i32, String)>("[1]", r#"[1,""]"#);
    check::<[[i32; 2]; 2]>("[[1]]", "[[1,0],[0,0]]");
}

#[test]
fn a_value_of_another_type_is_an_error() {
    check::<Scores>(r#"{"stu_id":"1"}"#, "invalid type: string \"1\", expected i64");
    check::<Scores>(r#"{"stu_id":1.5}"#, "invalid type: floating point `1.5`, expected i64");
    check::<Scores>(r#"{"stu_id":1e400}"#, "number out of range");
    check::<Everything>(r#"{"small":300}"#, "invalid value: integer `300`, expected u8");
    check::<Everything>(r#"{"text":5}"#, "invalid type: integer `5`, expected a string");
    check::<Everything>(r#"{"flag":0}"#, "invalid type: integer `0`, expected a boolean");
    check::<Everything>(r#"{"list":{}}"#, "invalid type: map, expected a sequence");
    check::<Scores>("[1,2,3]", "invalid type: sequence, expected an object");
    check::<Scores>(r#"{"stu_id":1"#, "EOF while parsing");
    check::<Scores>(r#"{"stu_id":1} 2"#, "trailing characters");
    check::<Scores>("", "EOF while parsing");
}

#[test]
fn a_default_of_its_own_and_another_name_of_a_field_are_kept() {
    check::<Own>("{}", r#"{"seven":7,"new":0,"plain":0}"#);
    check::<Own>(r#"{"seven":null,"new":1}"#, r#"{"seven":7,"new":1,"plain":0}"#);
    check::<Own>(r#"{"old":1}"#, r#"{"seven":7,"new":1,"plain":0}"#);
    check::<Vec<Own>>(
        r#"[{},{"OLD":1}]"#,
        r#"[{"seven":7,"new":0,"plain":0},{"seven":7,"new":1,"plain":0}]"#,
    );
    check::<Vec<Own>>(
        r#"[{"old":1,"plain":5},{},{"new":2},{"plain":3,"Old":4}]"#,
        r#"[{"seven":7,"new":1,"plain":5},{"seven":7,"new":0,"plain":0},{"seven":7,"new":2,"plain":0},{"seven":7,"new":4,"plain":3}]"#,
    );
    check::<Own>(r#"{"old":1,"new":2}"#, "duplicate field `new`");
    check::<Own>(r#"{"new":2,"old":1}"#, "duplicate field `new`");
}

#[test]
fn an_enum_has_no_zero_value_and_its_variants_are_filled() {
    check::<Kinds>(r#"{"kind":{"Point":{"X":1}}}"#, r#"{"kind":{"Point":{"x":1,"y":0}}}"#);
    check::<Kinds>(r#"{"kind":{"Size":[1]}}"#, r#"{"kind":{"Size":[1,0]}}"#);
    check::<Kinds>(
        r#"{"kind":{"Name":{}}}"#,
        r#"{"kind":{"Name":{"stu_id":0,"score_1":0,"score_2":0.0}}}"#,
    );
    check::<Kinds>(r#"{"kind":"Nothing"}"#, r#"{"kind":"Nothing"}"#);
    let none = "the enum `Kind` has no zero value; give the field `#[serde(default)]`";
    check::<Kinds>("{}", none);
    check::<Kinds>(r#"{"kind":null}"#, none);
    check::<Kinds>(r#"{"kind":"Other"}"#, "unknown variant `Other`");
    check::<std::num::NonZeroU8>("null", "expected a nonzero u8");
}

#[test]
fn within_flatten_everything_is_as_without_row_defaults() {
    check::<Outer>(r#"{"FLAT":{"x":1,"Y":2}}"#, r#"{"flat":{"x":1,"Y":2}}"#);
    check::<Outer>(r#"{"flat":{"X":1}}"#, "missing field `x`");
}

#[test]
fn a_struct_without_end_has_no_zero_value() {
    check::<Endless>("{}", "a struct that has itself within has no zero value");
}

#[test]
fn numbers_and_raw_text_are_as_they_are_written() {
    check::<u64>("18446744073709551615", "18446744073709551615");
    check::<u128>(
        "340282366920938463463374607431768211455",
        "340282366920938463463374607431768211455",
    );
    check::<f64>("0.1", "0.1");
    check::<Box<serde_json::value::RawValue>>("[1.10]", "[1.10]");
    check::<serde_json::Value>(r#"{"B":null}"#, r#"{"B":null}"#);
}

#[test]
fn the_field_that_a_row_stumbles_over_is_found() {
    let field = |json: &str| culprit::<Everything>(json).map(|(path, _)| path);
    assert_eq!(field(r#"{"Inner":{"Score_1":"x"}}"#).as_deref(), Some("inner.score_1"));
    assert_eq!(field("{}"), None);
}
