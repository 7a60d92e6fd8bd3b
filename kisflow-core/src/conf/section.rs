//! Takes a map of conf apart key by key; whatever is left over or of the wrong kind is a problem.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{
    Problem, RawParam, RawParams, duration,
    node::{Kind, Node},
    params,
    problem::{FileOrigin, Step},
    scalar::{self, NoWhole, Scalar},
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
        (!node.is_null()).then_some(node)
    }

    /// A text, as it stands in the file: `007`, `1.10`, `True`.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        let node = self.take(key)?;
        let text = node.as_text().map(str::to_owned);
        if text.is_none() {
            self.problem(key, node.line, format!("expected a text, found {}", node.describe()));
        }
        text
    }

    /// A name, which has to be there.
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
        if let Some(fault) = name_fault(name.as_deref().unwrap_or_default()) {
            self.problem(key, self.line_of(key), fault);
            return None;
        }
        name
    }

    /// The line of a key, or that of the section if it is not there.
    fn line_of(&self, key: &str) -> u64 {
        let field = self.fields.iter().find(|(name, _)| *name == key);
        field.map_or(self.line, |(_, node)| node.line)
    }

    /// A whole number from 0.
    pub(super) fn number(&mut self, key: &'static str) -> Option<u64> {
        let node = self.take(key)?;
        let number = node.as_text().ok_or(NoWhole::Other).and_then(|text| {
            let whole = scalar::whole(text)?;
            match whole.negative && whole.magnitude > 0 {
                true => Err(NoWhole::Other),
                false => u64::try_from(whole.magnitude).map_err(|_| NoWhole::TooLarge),
            }
        });
        let why = match number {
            Ok(number) => return Some(number),
            Err(NoWhole::TooLarge) => format!("; the limit is {}", u64::MAX),
            Err(NoWhole::LeadingZero) => format!(
                ", whose leading zero some YAML readers take for octal; write `{}`",
                scalar::without_zeros(node.as_text().unwrap_or_default())
            ),
            Err(NoWhole::Other) => String::new(),
        };
        let found = node.describe();
        self.problem(key, node.line, format!("expected a whole number from 0, found {found}{why}"));
        None
    }

    /// A duration: `250` milliseconds, `5s`, `1m30s`.
    pub(super) fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let node = self.take(key)?;
        let found = node.describe();
        let why = match node.as_text().map(duration::millis) {
            Some(Ok(millis)) => return Some(Duration::from_millis(millis)),
            Some(Err(why)) => format!(": {why}"),
            None => String::new(),
        };
        let expected = duration::EXPECTED;
        self.problem(key, node.line, format!("expected {expected}, found {found}{why}"));
        None
    }

    /// A whole number that fits into 32 bits.
    pub(super) fn small(&mut self, key: &'static str) -> Option<u32> {
        let number = self.number(key)?;
        let small = u32::try_from(number).ok();
        if small.is_none() {
            let line = self.line_of(key);
            self.problem(key, line, format!("{number} is too large; the limit is {}", u32::MAX));
        }
        small
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let node = self.take(key)?;
        let value = node.as_text().and_then(scalar::boolean);
        if value.is_none() {
            let found = node.describe();
            self.problem(key, node.line, format!("expected true or false, found {found}"));
        }
        value
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
            match item.as_text() {
                Some(text) => texts.push(text.to_owned()),
                None => self.problem(
                    &format!("{key}[{index}]"),
                    item.line,
                    format!("expected a text, found {}", item.describe()),
                ),
            }
        }
        texts
    }

    /// One text, or a list of texts.
    pub(super) fn text_or_texts(&mut self, key: &'static str) -> Vec<String> {
        let node = self.fields.iter().find(|(name, _)| *name == key).map(|(_, node)| *node);
        match node.map(|node| &node.kind) {
            Some(Kind::List(_)) => self.texts(key),
            _ => self.text(key).into_iter().collect(),
        }
    }

    /// A map of texts by any names; `None` where there is something else.
    pub(super) fn texts_by_name(&mut self, key: &'static str) -> Option<BTreeMap<String, String>> {
        let Some(Node { line, kind: Kind::Map(fields), .. }) = self.take(key) else { return None };
        let mut texts = BTreeMap::new();
        for (name, node) in fields {
            match node.as_text().filter(|text| !text.is_empty()) {
                Some(text) => drop(texts.insert(name.clone(), text.to_owned())),
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
        let Kind::Map(fields) = &node.kind else {
            let found = node.describe();
            self.problem(key, node.line, format!("expected a map of params, found {found}"));
            return RawParams::new();
        };
        fields.iter().map(|(name, node)| (name.clone(), raw(node))).collect()
    }

    /// A map within this one; an empty one where there is none.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let (line, fields) = match self.take(key) {
            None => (self.line, Vec::new()),
            Some(Node { line, kind: Kind::Map(fields), .. }) => {
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

    /// Reports every unknown key.
    pub(super) fn finish(&mut self) {
        for (key, node) in std::mem::take(&mut self.fields) {
            if !self.taken.contains(&key) {
                let message = format!("unknown key{}", suggest(key, self.taken.iter().copied()));
                self.problem(key, node.line, message);
            }
        }
    }
}

/// What is wrong with a name, if anything is: one with a line end or with blanks at its ends looks
/// like another in logs and on the command line.
pub(crate) fn name_fault(name: &str) -> Option<String> {
    let fault = if name.contains(|c: char| c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c))
    {
        "a line end or a control character"
    } else if name.trim() != name {
        "a blank at its beginning or end"
    } else {
        return None;
    };
    Some(format!("the name {name:?} has {fault}; leave it out"))
}

/// Returns a value as it is in the file.
pub(super) fn raw(node: &Node) -> RawParam {
    RawParam(match &node.kind {
        // `~` and an empty value are the same nothing.
        Kind::Scalar(scalar) if scalar.is_null() => params::Kind::Scalar(Scalar::plain("null")),
        Kind::Scalar(scalar) => params::Kind::Scalar(scalar.clone()),
        Kind::List(items) => params::Kind::List(items.iter().map(raw).collect()),
        Kind::Map(fields) => {
            params::Kind::Map(fields.iter().map(|(name, node)| (name.clone(), raw(node))).collect())
        }
    })
}

/// Where every key of a document stands.
pub(super) fn origin(file: &Path, top: &Node, unset: Vec<Problem>) -> FileOrigin {
    let mut origin = FileOrigin { file: file.to_owned(), unset, ..FileOrigin::default() };
    collect(top, String::new(), &mut Vec::new(), &mut origin);
    origin
}

fn collect(node: &Node, path: String, steps: &mut Vec<Step>, origin: &mut FileOrigin) {
    match &node.kind {
        Kind::Scalar(_) => {
            if let Some(written) = &node.written {
                origin.written.push((steps.clone(), written.clone(), serde_yaml::Value::Null));
            }
        }
        Kind::List(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(Step::Item(index));
                collect(item, format!("{path}[{index}]"), steps, origin);
                steps.pop();
            }
        }
        Kind::Map(fields) => {
            for (key, node) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                steps.push(Step::Key(key.clone()));
                collect(node, path, steps, origin);
                steps.pop();
            }
        }
    }
    origin.lines.insert(path, node.line);
}
