//! The files of a new project.

use std::path::PathBuf;

use super::dependency::Dependency;
use crate::schema::SCHEMA;

/// Its flow.
pub(super) const FLOW: &str = "Invoices";

/// Rows to feed it with.
pub(super) const ROWS: &str = "orders.ndjson";

/// Each file's path in the project, and its text. The conf has one document a file: editors look
/// for the schema in each document.
pub(super) fn files(
    name: &str,
    kisflow: &Dependency,
    is_in_workspace: bool,
) -> Vec<(PathBuf, String)> {
    // A workspace around the project would want to have it as a member.
    let workspace = if is_in_workspace {
        "\n# Not a member of the workspace around it.\n[workspace]\n"
    } else {
        ""
    };
    let (context, copy) = match kisflow {
        Dependency::Published => (String::new(), String::new()),
        // An image is built of what its context has: the checkout is a context of its own, and
        // stands in the image where the manifest looks for it.
        Dependency::Checkout(dir) => {
            let context = format!("--build-context kisflow={dir:?} ");
            (context, format!("COPY --from=kisflow [\".\", {dir:?}]\n"))
        }
    };
    let fill = |text: &str| {
        text.replace("{{name}}", name)
            .replace("{{host}}", &host(name))
            .replace("{{user}}", "service")
            .replace("{{rust}}", env!("CARGO_PKG_RUST_VERSION"))
            .replace("{{kisflow}}", &kisflow.to_string())
            .replace("{{context}}", &context)
            .replace("{{copy}}", &copy)
            .replace("{{workspace}}", workspace)
    };
    let files = [
        ("Cargo.toml", include_str!("template/manifest.toml")),
        ("README.md", include_str!("template/readme.md")),
        (".gitignore", include_str!("template/gitignore")),
        (".dockerignore", include_str!("template/dockerignore")),
        (".env.example", include_str!("template/env.example")),
        ("Dockerfile", include_str!("template/Dockerfile")),
        ("src/main.rs", include_str!("template/main.rs")),
        ("conf/global.yml", include_str!("template/global.yml")),
        ("conf/source.yml", include_str!("template/source.yml")),
        ("conf/conn.yml", include_str!("template/conn.yml")),
        ("conf/flow.yml", include_str!("template/flow.yml")),
        ("conf/total.yml", include_str!("template/total.yml")),
        ("conf/save_invoice.yml", include_str!("template/save_invoice.yml")),
        ("conf/test.yml", include_str!("template/test.yml")),
        ("deploy/{{name}}.service", include_str!("template/unit.service")),
        ("deploy/kubernetes.yml", include_str!("template/kubernetes.yml")),
        (ROWS, include_str!("template/orders.ndjson")),
    ];
    let filled = files.into_iter().map(|(path, text)| (fill(path).into(), fill(text)));
    let as_they_are = [
        ("conf/kisflow.schema.json", SCHEMA),
        ("deploy/grafana.json", include_str!("template/dashboard.json")),
    ];
    filled.chain(as_they_are.map(|(path, text)| (path.into(), text.to_owned()))).collect()
}

/// The name as Kubernetes takes it, for hosts: small letters, digits and `-`, with a letter first.
fn host(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-").trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(host(name), expected);
    }

    #[test]
    fn a_name_is_made_one_of_a_host() {
        check("web-shop", "web-shop");
        check("_Web_Shop2", "web-shop2");
        check("Shop-", "shop");
    }

    #[test]
    fn no_file_has_anything_left_to_fill_in() {
        let checkout = Dependency::Checkout("path with \"quotes\"/kisflow".to_owned());
        for kisflow in [Dependency::Published, checkout] {
            for (path, text) in files("web-shop", &kisflow, true) {
                // A dashboard has braces of its own.
                let left = text.contains("{{") && !path.ends_with("deploy/grafana.json");
                assert!(!left && !path.to_string_lossy().contains("{{"), "{}", path.display());
            }
        }
    }
}
