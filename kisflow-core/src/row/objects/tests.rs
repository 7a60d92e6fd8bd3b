//! Lists and structs, at every depth.

use serde::de::DeserializeOwned;

use super::*;

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only its shape is read")]
struct Order {
    id: u64,
    #[serde(default)]
    more: Vec<Order>,
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only its shape is read")]
struct Wrapped(Order);

#[derive(serde::Deserialize)]
#[serde(tag = "kind")]
#[expect(dead_code, reason = "only its shape is read")]
enum Within {
    Order { id: u64 },
}

#[derive(serde::Deserialize)]
#[serde(tag = "kind", content = "what")]
#[expect(dead_code, reason = "only its shape is read")]
enum Beside {
    Order(u64),
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only its shape is read")]
enum Outside {
    Order { id: u64 },
    Pair(u64, u64),
    Other(Box<Order>),
}

#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only its shape is read")]
struct Pair(u64, Option<Order>);

fn read<T: DeserializeOwned>(json: &str) -> Result<T, serde_json::Error> {
    T::deserialize(Objects(&mut serde_json::Deserializer::from_str(json)))
}

#[track_caller]
fn check<T: DeserializeOwned>(json: &str, is_row: bool) {
    match read::<T>(json) {
        Ok(_) => assert!(is_row, "{json} is read"),
        Err(error) => {
            let error = error.to_string();
            assert!(!is_row, "{json}: {error}");
            assert!(
                error.starts_with("invalid type: sequence, expected an object"),
                "{json}: {error}"
            );
        }
    }
}

#[test]
fn a_list_is_no_struct_at_any_depth() {
    check::<Order>("[9]", false);
    check::<Order>("[9,[]]", false);
    check::<Order>("[]", false);
    check::<Wrapped>("[9]", false);
    check::<Option<Order>>("[9]", false);
    check::<Box<Order>>("[9]", false);
    check::<Within>(r#"["Order",9]"#, false);
    check::<Beside>(r#"["Order",9]"#, false);
    check::<Outside>(r#"{"Order":[9]}"#, false);
    check::<Outside>(r#"{"Other":[9]}"#, false);
    check::<Order>(r#"{"id":1,"more":[[2]]}"#, false);
    check::<Vec<Order>>("[[2]]", false);
    check::<Pair>("[1,[2]]", false);
    check::<std::collections::HashMap<String, Order>>(r#"{"a":[1]}"#, false);
}

#[test]
fn a_list_is_what_reads_lists() {
    check::<Vec<u8>>("[9]", true);
    check::<(u8, String)>(r#"[9,"tea"]"#, true);
    check::<serde_json::Value>("[9]", true);
    check::<Pair>(r#"[1,{"id":2}]"#, true);
    check::<Outside>(r#"{"Pair":[1,2]}"#, true);
    check::<Box<serde_json::value::RawValue>>("[9]", true);
    check::<std::collections::BTreeSet<u8>>("[9]", true);
}

#[test]
fn everything_else_is_read_as_it_was() {
    check::<Order>(r#"{"id":1,"more":[{"id":2}]}"#, true);
    check::<Wrapped>(r#"{"id":1}"#, true);
    check::<Option<Order>>("null", true);
    check::<Within>(r#"{"kind":"Order","id":1}"#, true);
    check::<Beside>(r#"{"kind":"Order","what":1}"#, true);
    check::<Outside>(r#"{"Order":{"id":1}}"#, true);
    check::<String>(r#""a""#, true);
    check::<std::time::Duration>(r#"{"secs":1,"nanos":0}"#, true);
    let raw: Box<serde_json::value::RawValue> = read(" {\"a\": 1.10 }").unwrap();
    assert_eq!(raw.get(), "{\"a\": 1.10 }");
    assert!(read::<Order>("{\"id\":1,\"id\":2}").is_err());
}
