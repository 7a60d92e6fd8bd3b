//! `docs/reference.md`: a table for each kind of conf, and one for the params of each type.

use crate::{
    json::Json,
    types::{Described, Kind, UNATTENDED_PARAMS},
};

const HEAD: &str = "\
# Reference of the conf

Every key of every kind of conf, and every param of the types that come with kisflow. This page is made of the types that read them: `cargo xtask reference` writes it, and a test compares. `kisflow schema` prints the same for editors.

A key that is not here is a problem of the conf, and so is a param of a source that is not here. Params of a connector that its type does not know are let through, because storage logic may read them, unless they look like a slip of one that it knows. Types that a program registers itself have the params of their `Params` type; a wrong one lists those that there are.
";

const KINDS: [&str; 6] = ["flow", "func", "conn", "source", "test", "global"];

/// The whole page.
pub(crate) fn page(schema: &str, types: &[Described]) -> String {
    let schema: Json = serde_json::from_str(schema).unwrap();
    let mut page = HEAD.to_owned();
    for kind in KINDS {
        let definition = schema.get("$defs").and_then(|defs| defs.get(kind)).unwrap();
        let title = format!("kistype: {kind}");
        page += &format!("\n## `{title}`\n\n{}\n", description(definition));
        page += "\n| key | value | default | |\n|---|---|---|---|\n";
        let mut rows = Vec::new();
        keys(&schema, definition, "", &mut rows);
        page.extend(rows);
        match kind {
            "func" => page += &unattended(),
            "conn" => page.extend(of_kind(types, Kind::Connector)),
            "source" => page.extend(of_kind(types, Kind::Source)),
            _ => {}
        }
    }
    page
}

fn of_kind(types: &[Described], kind: Kind) -> impl Iterator<Item = String> {
    types.iter().filter(move |described| described.kind == kind).map(|described| {
        let mut table = format!(
            "\n### Params of `type: {}`\n\n| param | value | default | |\n|---|---|---|---|\n",
            described.word
        );
        for param in &described.params {
            let default = param.default.as_deref().unwrap_or_default();
            table += &row(&param.name, &param.takes(), default, &param.meaning);
        }
        table
    })
}

fn unattended() -> String {
    let mut table = "\n### Params of a Save or Load without code\n\nA function of the conf that no `#[faas]` claims, with `fmode: Save` or `Load` and a connector.\n\n| param | value | default | |\n|---|---|---|---|\n".to_owned();
    for (name, takes, meaning) in UNATTENDED_PARAMS {
        table += &row(name, takes, "", meaning);
    }
    table
}

/// A row for each key of a map, and for the keys of the maps in it.
fn keys(schema: &Json, at: &Json, path: &str, rows: &mut Vec<String>) {
    let required: Vec<&str> = at
        .get("required")
        .map(Json::items)
        .unwrap_or_default()
        .iter()
        .filter_map(Json::text)
        .collect();
    for (name, value) in at.get("properties").map(Json::fields).unwrap_or_default() {
        // The heading says it.
        if path.is_empty() && name == "kistype" {
            continue;
        }
        let target = resolved(schema, value);
        let path = format!("{path}{name}");
        let default = match value.get("default") {
            Some(default) => format!("`{default}`"),
            None if required.contains(&name.as_str()) => "required".to_owned(),
            None => String::new(),
        };
        rows.push(row(&path, &takes(value, target), &default, &description(value)));
        below(schema, value, &path, rows);
    }
}

/// The keys of what stands at a key: of a map, of the maps of a list, of a choice that is a map.
fn below(schema: &Json, value: &Json, path: &str, rows: &mut Vec<String>) {
    let value = match value.get("properties") {
        Some(_) => value,
        None => resolved(schema, value),
    };
    if value.get("properties").is_some() {
        keys(schema, value, &format!("{path}."), rows);
    }
    if let Some(items) = value.get("items") {
        let items = resolved(schema, items);
        if items.get("properties").is_some() {
            keys(schema, items, &format!("{path}[]."), rows);
        }
    }
    for choice in value.get("oneOf").map(Json::items).unwrap_or_default() {
        if choice.get("properties").is_some() {
            keys(schema, choice, &format!("{path}."), rows);
        }
    }
}

/// What a `$ref` refers to; anything else is itself.
fn resolved<'a>(schema: &'a Json, value: &'a Json) -> &'a Json {
    let Some(target) = value.get("$ref").and_then(Json::text) else { return value };
    let name = target.strip_prefix("#/$defs/").unwrap();
    schema.get("$defs").and_then(|defs| defs.get(name)).unwrap()
}

/// What may stand at a key.
fn takes(value: &Json, target: &Json) -> String {
    if let Some(words) = target.get("enum") {
        let words = words.items().iter().filter(|word| !word.is_null());
        let words: Vec<String> = words.map(Json::to_string).collect();
        return format!("`{}`", words.join("`, `"));
    }
    if let Some(choices) = target.get("oneOf") {
        let choices: Vec<String> =
            choices.items().iter().map(|choice| takes(choice, choice)).collect();
        return choices.join(", or ");
    }
    let name = value.get("$ref").and_then(Json::text).unwrap_or_default();
    match name.trim_start_matches("#/$defs/") {
        "name" | "text" => "text",
        "texts" => "list of texts",
        "params" => "map",
        "records" => "map of maps",
        "number" | "small" => "whole number",
        "positive" => "whole number from 1",
        "millis" => "milliseconds or a duration",
        "boolean" => "true or false",
        "rejected" => "map",
        "" => of_type(target),
        other => other,
    }
    .to_owned()
}

fn of_type(target: &Json) -> &'static str {
    let types = target.get("type").map(|types| match types {
        Json::Array(types) => types.first().and_then(Json::text).unwrap_or_default(),
        one => one.text().unwrap_or_default(),
    });
    match types {
        Some("object") => "map",
        Some("array") => "list",
        Some("boolean") => "true or false",
        Some("string") => "text",
        Some("integer") => "whole number",
        _ => "any value",
    }
}

fn description(value: &Json) -> String {
    value.get("description").and_then(Json::text).unwrap_or_default().to_owned()
}

fn row(name: &str, takes: &str, default: &str, meaning: &str) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{name}` | {} | {} | {} |\n", cell(takes), cell(default), cell(meaning))
}
