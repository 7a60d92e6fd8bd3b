//! Takes a map of conf apart key by key; whatever is left over or of the wrong kind is a problem.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use serde_json::Value;

use super::{
    Origin, Problem, RawParams,
    node::{Kind, Node},
    problem::FileOrigin,
    suggest,
};

/// One map of a file.
pub(super) struct Section<'a> {
    file: &'a Path,
    /// The path of this map in its document, empty at the top.
    path: String,
    line: u64,
    fields: Vec<(&'a str, &'a Node)>,
    taken: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    /// The top of a document, if it is a map.
    pub(super) fn top(
        file: &'a Path,
        node: &'a Node,
        problems: &'a mut Vec<Problem>,
    ) -> Option<Self> {
        match &node.kind {
            Kind::Map(fields) => Some(Self {
                file,
                path: String::new(),
                line: node.line,
                fields: fields.iter().map(|(key, node)| (key.as_str(), node)).collect(),
                taken: Vec::new(),
                problems,
            }),
            _ => {
                let message =
                    format!("a conf file is a map with a `kistype`, not {}", node.describe());
                problems.push(Problem {
                    file: Some(file.to_owned()),
                    line: Some(node.line),
                    path: String::new(),
                    message,
                });
                None
            }
        }
    }

    /// Reports something at `key`.
    pub(super) fn problem(&mut self, key: &str, line: u64, message: impl Into<String>) {
        let path = self.join(key);
        self.problems.push(Problem {
            file: Some(self.file.to_owned()),
            line: Some(line),
            path,
            message: message.into(),
        });
    }

    fn join(&self, key: &str) -> String {
        match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        }
    }

    /// The value at `key`; one that is written but empty (`load:`) is none.
    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.taken.contains(&key) {
            self.taken.push(key);
        }
        let node = self.fields.iter().find(|(name, _)| *name == key)?.1;
        (!matches!(node.kind, Kind::Scalar(Value::Null))).then_some(node)
    }

    /// A text; a whole number or a boolean is taken for one.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let node = self.take(key)?;
        let text = text_of(node);
        if text.is_none() {
            self.problem(key, node.line, format!("expected a text, found {}", node.describe()));
        }
        text
    }

    /// A text that has to be there.
    pub(super) fn name(&mut self, key: &'static str) -> Option<String> {
        let before = self.problems.len();
        let name = self.text(key);
        if self.problems.len() > before {
            return None;
        }
        let empty = name.as_ref().is_some_and(|name| name.trim().is_empty());
        if name.is_none() || empty {
            self.problem(key, self.line, "this key is required");
            return None;
        }
        name
    }

    /// A whole number from 0.
    pub(super) fn number(&mut self, key: &'static str) -> Option<u64> {
        let node = self.take(key)?;
        let number = match &node.kind {
            Kind::Scalar(value) => value.as_u64(),
            _ => None,
        };
        if number.is_none() {
            self.problem(
                key,
                node.line,
                format!("expected a whole number from 0, found {}", node.describe()),
            );
        }
        number
    }

    /// A whole number that fits into 32 bits.
    pub(super) fn small(&mut self, key: &'static str) -> Option<u32> {
        let number = self.number(key)?;
        let small = u32::try_from(number).ok();
        if small.is_none() {
            let line = self
                .fields
                .iter()
                .find(|(name, _)| *name == key)
                .map_or(self.line, |(_, node)| node.line);
            self.problem(key, line, format!("{number} is too large; the limit is {}", u32::MAX));
        }
        small
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let node = self.take(key)?;
        match node.kind {
            Kind::Scalar(Value::Bool(value)) => Some(value),
            _ => {
                self.problem(
                    key,
                    node.line,
                    format!("expected true or false, found {}", node.describe()),
                );
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Kind::List(items) = &node.kind else {
            self.problem(key, node.line, format!("expected a list, found {}", node.describe()));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match text_of(item) {
                Some(text) => texts.push(text),
                None => self.problem(
                    &format!("{key}[{index}]"),
                    item.line,
                    format!("expected a text, found {}", item.describe()),
                ),
            }
        }
        texts
    }

    /// A map of texts by any names; `None` where there is something else.
    pub(super) fn texts_by_name(&mut self, key: &'static str) -> Option<BTreeMap<String, String>> {
        let Some(Node { line, kind: Kind::Map(fields) }) = self.take(key) else { return None };
        let mut texts = BTreeMap::new();
        for (name, node) in fields {
            match text_of(node).filter(|text| !text.is_empty()) {
                Some(text) => drop(texts.insert(name.clone(), text)),
                None => self.problem(
                    &format!("{key}.{name}"),
                    node.line,
                    format!("expected a text, found {}", node.describe()),
                ),
            }
        }
        if fields.is_empty() {
            self.problem(key, *line, "the map names no connector");
        }
        Some(texts)
    }

    /// A map of anything.
    pub(super) fn params(&mut self, key: &'static str) -> RawParams {
        let Some(node) = self.take(key) else { return RawParams::new() };
        match node.to_value() {
            Value::Object(params) => params,
            _ => {
                self.problem(
                    key,
                    node.line,
                    format!("expected a map of params, found {}", node.describe()),
                );
                RawParams::new()
            }
        }
    }

    /// A map within this one; an empty one where there is none.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let (line, fields) = match self.take(key) {
            None => (self.line, Vec::new()),
            Some(Node { line, kind: Kind::Map(fields) }) => {
                (*line, fields.iter().map(|(key, node)| (key.as_str(), node)).collect())
            }
            Some(node) => {
                self.problem(key, node.line, format!("expected a map, found {}", node.describe()));
                (node.line, Vec::new())
            }
        };
        let path = self.join(key);
        let mut section = Section {
            file: self.file,
            path,
            line,
            fields,
            taken: Vec::new(),
            problems: self.problems,
        };
        let value = read(&mut section);
        section.finish();
        value
    }

    /// A list of maps.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let Kind::List(items) = &node.kind else {
            self.problem(key, node.line, format!("expected a list, found {}", node.describe()));
            return Vec::new();
        };
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = self.join(&format!("{key}[{index}]"));
            let Kind::Map(fields) = &item.kind else {
                self.problem(
                    &format!("{key}[{index}]"),
                    item.line,
                    format!("expected a map, found {}", item.describe()),
                );
                continue;
            };
            let fields = fields.iter().map(|(key, node)| (key.as_str(), node)).collect();
            let mut section = Section {
                file: self.file,
                path,
                line: item.line,
                fields,
                taken: Vec::new(),
                problems: self.problems,
            };
            values.extend(read(&mut section));
            section.finish();
        }
        values
    }

    /// How many items there are at `key`, of whatever kind.
    pub(super) fn items(&mut self, key: &'static str) -> usize {
        match self.take(key).map(|node| &node.kind) {
            None => 0,
            Some(Kind::List(items)) => items.len(),
            Some(_) => 1,
        }
    }

    /// Where it begins.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(&mut self) {
        for (key, node) in std::mem::take(&mut self.fields) {
            if !self.taken.contains(&key) {
                let message = format!("unknown key{}", suggest(key, self.taken.iter().copied()));
                self.problem(key, node.line, message);
            }
        }
    }
}

fn text_of(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Scalar(Value::String(text)) => Some(text.clone()),
        // Of 1.10 nothing but its value is left, and that is 1.1: such a text needs quotes.
        Kind::Scalar(Value::Number(number)) if number.is_f64() => None,
        Kind::Scalar(value @ (Value::Number(_) | Value::Bool(_))) => Some(value.to_string()),
        _ => None,
    }
}

/// Where every key of a document stands.
pub(super) fn origin(file: &Path, top: &Node) -> Origin {
    let mut lines = HashMap::new();
    collect(top, String::new(), &mut lines);
    Origin::File(Arc::new(FileOrigin::new(file, lines)))
}

fn collect(node: &Node, path: String, lines: &mut HashMap<String, u64>) {
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{index}]"), lines);
            }
        }
        Kind::Map(fields) => {
            for (key, node) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(node, path, lines);
            }
        }
    }
    lines.insert(path, node.line);
}
