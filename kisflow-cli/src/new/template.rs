//! The files of a new project.

use crate::schema::SCHEMA;

/// Its flow.
pub(super) const FLOW: &str = "Invoices";

/// Rows to feed it with.
pub(super) const ROWS: &str = "orders.ndjson";

/// Each file's path in the project, and its text. The conf has one document a file: editors look
/// for the schema in each document.
pub(super) fn files(name: &str, dependency: &str) -> Vec<(&'static str, String)> {
    let fill = |text: &str| text.replace("{{name}}", name).replace("{{kisflow}}", dependency);
    vec![
        ("Cargo.toml", fill(include_str!("template/manifest.toml"))),
        ("README.md", fill(include_str!("template/readme.md"))),
        (".gitignore", include_str!("template/gitignore").to_owned()),
        ("src/main.rs", include_str!("template/main.rs").to_owned()),
        ("conf/flow.yml", include_str!("template/flow.yml").to_owned()),
        ("conf/func.yml", include_str!("template/func.yml").to_owned()),
        ("conf/test.yml", include_str!("template/test.yml").to_owned()),
        ("conf/kisflow.schema.json", SCHEMA.to_owned()),
        (ROWS, include_str!("template/orders.ndjson").to_owned()),
    ]
}
