//! [`GivenFile`]: the records of a test's `given`, in a file of their own.

use std::{fs, path::Path};

use super::{
    ConfError, Origin, Problem, TestRecords,
    node::Kind,
    parse::parse,
    problem::FileOrigin,
    section::{Section, origin},
    test::given,
};

/// The records of a test's `given`, in a file of their own: what connectors hold before rows run.
/// `feed --given` reads it.
///
/// ```yaml
/// records:
///   Invoices:
///     1: {total: 62.5}
/// ```
///
/// The file is YAML or JSON. A `$` in it is a dollar, as in a test.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct GivenFile {
    /// The records, by connector and id.
    pub records: TestRecords,
    origin: Origin,
}

impl GivenFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Returns all problems of the file: it cannot be read or does not parse, has an unknown key or
    /// rows, or something else where records are expected. The names of connectors are not checked.
    pub fn read(file: impl AsRef<Path>) -> Result<Self, ConfError> {
        let file = file.as_ref();
        let mut problems = Vec::new();
        let read = match fs::read_to_string(file) {
            Ok(text) => read(file, &text, &mut problems),
            Err(error) => {
                problems.push(at(file, None, format!("the file cannot be read: {error}")));
                None
            }
        };
        ConfError::check(problems)?;
        Ok(read.unwrap_or_default())
    }

    /// A problem with a key of the file, with the line of the key or of the nearest key around it.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        self.origin.problem("given", key, message)
    }
}

fn read(file: &Path, text: &str, problems: &mut Vec<Problem>) -> Option<GivenFile> {
    let (documents, mistakes) = parse(text);
    if mistakes.is_empty() && documents.len() != 1 {
        let message = match documents.len() {
            0 => "the file is empty; write `records: {CONNECTOR: {ID: {FIELD: VALUE}}}`".to_owned(),
            found => format!("expected one document, found {found}"),
        };
        problems.push(at(file, None, message));
    }
    for mistake in mistakes {
        let message = format!("the YAML does not parse: {}", mistake.message);
        problems.push(at(file, mistake.line, message));
    }
    let [top] = documents.as_slice() else { return None };
    let Kind::Map(_) = &top.kind else {
        let message = format!("expected a map with the key `records`, found {}", top.describe());
        problems.push(at(file, Some(top.line), message));
        return None;
    };
    let origin: FileOrigin = origin(file, top, Vec::new());
    let mut section = Section::top(file, top, problems)?;
    for key in ["rows", "raw"] {
        if let Some(node) = section.take(key) {
            let message = "the rows come from the files that are fed; remove this key";
            section.problem(key, node.line, message);
        }
    }
    let given = given(&mut section);
    section.finish();
    Some(GivenFile { records: given.records, origin: Origin::File(origin.into()) })
}

fn at(file: &Path, line: Option<u64>, message: String) -> Problem {
    Problem { file: Some(file.to_owned()), line, path: String::new(), message }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::read;

    /// What is wrong with a file, or the records in it as JSON.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut problems = Vec::new();
        let given = read(Path::new("given.yml"), text, &mut problems);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let said = match given.filter(|_| told.is_empty()) {
            Some(given) => json!(given.records).to_string(),
            None => told.join("\n"),
        };
        assert_eq!(said, expected);
    }

    #[test]
    fn records_are_read_from_yaml_and_from_json() {
        let records = r#"{"Invoices":{"6":{"name":"$a ${B}","paid":null,"total":62.5}}}"#;
        check("records:\n  Invoices:\n    6: {total: 62.5, paid: ~, name: '$a ${B}'}\n", records);
        check(&format!("{{\"records\": {records}}}"), records);
        check(&format!("{{\n\t\"records\":\n\t\t{records}\n}}\n"), records);
        check("records:\n", "{}");
    }

    #[test]
    fn a_mistake_has_its_line_and_its_key() {
        check(
            "",
            "given.yml: the file is empty; write `records: {CONNECTOR: {ID: {FIELD: VALUE}}}`",
        );
        check("records: {}\n---\nrecords: {}\n", "given.yml: expected one document, found 2");
        check("- a\n", "given.yml:1: expected a map with the key `records`, found a list");
        check("a: [\n", "given.yml:1: the YAML does not parse: unclosed bracket '['");
        check("record: {}\n", "given.yml:1: record: unknown key; did you mean \"records\"?");
        check(
            "rows: [{id: 1}]\nrecords: {}\n",
            "given.yml:1: rows: the rows come from the files that are fed; remove this key",
        );
        check(
            "records:\n  A: 7\n  B:\n    1: {n: 1}\n    2: [n]\n    3:\n",
            "given.yml:2: records.A: expected records by id, found `7`\n\
             given.yml:5: records.B.2: expected the fields of a record, found a list\n\
             given.yml:6: records.B.3: expected the fields of a record, found nothing",
        );
    }
}
