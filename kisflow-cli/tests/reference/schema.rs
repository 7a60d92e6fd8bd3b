//! The end of the schema: what the params of each type are, and which type has which.

use serde_json::{Map, Value, json};

use crate::types::{Described, Kind, UNATTENDED_PARAMS};

/// The first of the definitions that are made.
const FIRST: &str = "    \"conn_types\": {";

/// The schema, its last definitions made anew.
pub(crate) fn with_params(schema: &str, types: &[Described]) -> String {
    let start = schema.find(FIRST).unwrap_or_else(|| panic!("the schema has no line {FIRST}"));
    let mut made = schema[..start].to_owned();
    let mut definitions = vec![
        ("conn_types".to_owned(), by_type(types, Kind::Connector)),
        ("source_types".to_owned(), by_type(types, Kind::Source)),
        ("unattended".to_owned(), unattended()),
    ];
    definitions.extend(types.iter().map(|described| (name(described), params(described))));
    let last = definitions.len() - 1;
    for (at, (name, definition)) in definitions.into_iter().enumerate() {
        let text = serde_json::to_string_pretty(&definition).unwrap().replace('\n', "\n    ");
        let comma = if at == last { "" } else { "," };
        made += &format!("    \"{name}\": {text}{comma}\n");
    }
    made + "  }\n}\n"
}

fn name(described: &Described) -> String {
    match described.kind {
        Kind::Connector => format!("conn_{}", described.word),
        Kind::Source => format!("source_{}", described.word),
    }
}

/// `type: redis` has the params of `redis`.
fn by_type(types: &[Described], kind: Kind) -> Value {
    let of_kind = types.iter().filter(|described| described.kind == kind);
    let choices: Vec<Value> = of_kind
        .map(|described| {
            json!({
                "if": { "required": ["type"], "properties": { "type": { "const": described.word } } },
                "then": {
                    "properties": {
                        "params": { "$ref": format!("#/$defs/{}", name(described)) }
                    }
                }
            })
        })
        .collect();
    json!({ "allOf": choices })
}

fn params(described: &Described) -> Value {
    let params = described.params.iter();
    let params: Map<String, Value> =
        params.map(|param| (param.name.clone(), param.schema())).collect();
    let mut definition = json!({ "type": ["object", "null"], "properties": params });
    // Storage logic of the program may read others of a connector.
    if described.kind == Kind::Source {
        definition["additionalProperties"] = false.into();
    }
    definition
}

/// Names and descriptions only: a Save or Load with code has whatever it asks for.
fn unattended() -> Value {
    let described = |(name, _, meaning): &(&str, &str, &str)| {
        ((*name).to_owned(), json!({ "description": format!("Without code: {meaning}") }))
    };
    let params: Map<String, Value> = UNATTENDED_PARAMS.iter().map(described).collect();
    let option = json!({ "default_params": { "properties": params } });
    json!({
        "if": { "required": ["fmode"], "properties": { "fmode": { "enum": ["Save", "Load"] } } },
        "then": { "properties": { "option": { "properties": option } } }
    })
}
