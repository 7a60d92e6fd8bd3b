//! YAML text → documents as trees of [`Node`], by the events of granit-parser: serde's data model
//! has no place for the text of a scalar.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{
    node::{Kind, Node},
    scalar::Scalar,
};

/// What aliases may add to a file, in values: more is an alias bomb.
const ALIASED_LIMIT: usize = 100_000;

/// How deep lists and maps may stand in one another.
const DEPTH_LIMIT: usize = 128;

/// The key that merges maps into its own.
const MERGE: &str = "<<";

/// A mistake in the YAML itself.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) line: Option<u64>,
    pub(super) message: String,
}

/// The documents of a file that can be read, and every mistake of the others. A document with
/// nothing in it is left out.
pub(super) fn parse(text: &str) -> (Vec<Node>, Vec<Mistake>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parser = Parser::new_from_str(text);
    let (mut documents, mut mistakes) = (Vec::new(), Vec::new());
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let done = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(scan_mistake(text, &error)),
        };
        match done {
            Ok(None) => {}
            Ok(Some(document)) => {
                mistakes.append(&mut builder.mistakes);
                if !document.is_null() {
                    documents.push(document);
                }
                builder = Builder::default();
            }
            Err(mistake) => {
                mistakes.append(&mut builder.mistakes);
                mistakes.push(mistake);
                builder = Builder::default();
                if !next_document(&mut parser) {
                    break;
                }
            }
        }
    }
    (documents, mistakes)
}

/// Whether there is another document behind the broken one.
fn next_document<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> bool {
    parser.proceed_next_document().unwrap_or(false)
}

/// The tree of one document, while it grows.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// What anchors stand for, and how many values and levels it has.
    anchors: HashMap<usize, (Node, Size)>,
    aliased: usize,
    done: Option<Node>,
    /// Keys that stand twice, or that are none: the rest of the document can be read.
    mistakes: Vec<Mistake>,
}

/// A list or map whose end has not been read.
struct Open {
    line: u64,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Node>),
    Map { fields: Vec<(String, Node)>, merged: Vec<(String, Node)>, key: Option<Key> },
}

/// The key whose value comes next.
struct Key {
    line: u64,
    /// `None` for a key that is none and has been reported.
    text: Option<String>,
    merges: bool,
}

#[derive(Clone, Copy)]
struct Size {
    values: usize,
    levels: usize,
}

impl Builder {
    /// Takes one event; gives the document at its end.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, Mistake> {
        let line = line_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // What is left empty comes as a `~` that is nowhere.
                let text =
                    if span.start == span.end && style == ScalarStyle::Plain { "" } else { &*text };
                let merges = text == MERGE && style == ScalarStyle::Plain && tag.is_none();
                let scalar = scalar(text, style, tag.as_deref());
                let plain = style == ScalarStyle::Plain;
                let node = Node { plain, ..Node::new(line, Kind::Scalar(scalar)) };
                self.value(node, anchor, merges)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(line, anchor, OpenKind::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, _) => {
                let kind = OpenKind::Map { fields: Vec::new(), merged: Vec::new(), key: None };
                self.open(line, anchor, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let kind = match open.kind {
                    OpenKind::List(items) => Kind::List(items),
                    OpenKind::Map { mut fields, merged, .. } => {
                        for (key, node) in merged {
                            if !fields.iter().any(|(known, _)| *known == key) {
                                fields.push((key, node));
                            }
                        }
                        Kind::Map(fields)
                    }
                };
                self.value(Node::new(open.line, kind), open.anchor, false)?;
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(mistake(line, "an alias stands within what it stands for"));
                };
                self.aliased += size.values;
                if self.aliased > ALIASED_LIMIT {
                    let message =
                        format!("aliases add more than {ALIASED_LIMIT} values to this document");
                    return Err(mistake(line, message));
                }
                if self.open.len() + size.levels > DEPTH_LIMIT {
                    return Err(too_deep(line));
                }
                self.value(Node { line, ..node }, 0, false)?;
            }
            Event::DocumentEnd => {
                let empty = || Node::new(line, Kind::Scalar(Scalar::plain("")));
                return Ok(Some(self.done.take().unwrap_or_else(empty)));
            }
            _ => {}
        }
        Ok(None)
    }

    fn open(&mut self, line: u64, anchor: usize, kind: OpenKind) -> Result<(), Mistake> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(too_deep(line));
        }
        self.open.push(Open { line, anchor, kind });
        Ok(())
    }

    /// Puts a value where it belongs: into the list, or as the key or the value of the map around it.
    /// `merges` is whether it is a `<<` that merges if it is a key.
    fn value(&mut self, node: Node, anchor: usize, merges: bool) -> Result<(), Mistake> {
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.done = Some(node);
            return Ok(());
        };
        let (fields, merged, key) = match &mut open.kind {
            OpenKind::List(items) => {
                items.push(node);
                return Ok(());
            }
            OpenKind::Map { fields, merged, key } => (fields, merged, key),
        };
        let Some(Key { line, text, merges }) = key.take() else {
            *key = Some(Key { merges, ..as_key(&node, &mut self.mistakes) });
            return Ok(());
        };
        if merges {
            return merge(node, merged);
        }
        let Some(text) = text else { return Ok(()) };
        if fields.iter().any(|(known, _)| *known == text) {
            self.mistakes.push(mistake(line, format!("duplicate mapping key: {text}")));
        } else {
            // The key's own line: a value that is a map or list starts on a later one.
            fields.push((text, Node { line, ..node }));
        }
        Ok(())
    }
}

/// A scalar by its text, its quotes and its tag.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Scalar {
    match tag.and_then(Tag::core_suffix) {
        Some("str") => Scalar::quoted(text),
        Some("null" | "bool" | "int" | "float") => Scalar::plain(text),
        _ if style == ScalarStyle::Plain => Scalar::plain(text),
        _ => Scalar::quoted(text),
    }
}

/// Reads a value as a key, which is its text as written.
fn as_key(node: &Node, mistakes: &mut Vec<Mistake>) -> Key {
    let line = node.line;
    let Kind::Scalar(scalar) = &node.kind else {
        mistakes.push(mistake(line, format!("a key is a text, found {}", node.describe())));
        return Key { line, text: None, merges: false };
    };
    if scalar.is_null() {
        let message = match scalar.text.as_str() {
            "" => "there is no key before this `:`".to_owned(),
            text => {
                format!("the key `{text}` stands for nothing; write \"{text}\" if it is a text")
            }
        };
        mistakes.push(mistake(line, message));
        return Key { line, text: None, merges: false };
    }
    Key { line, text: Some(scalar.text.clone()), merges: false }
}

/// Takes the fields of a merged map, or of each map of a list; those of the first win.
fn merge(node: Node, merged: &mut Vec<(String, Node)>) -> Result<(), Mistake> {
    let line = node.line;
    let what = node.describe();
    let maps = match node.kind {
        Kind::List(maps) => maps,
        _ => vec![node],
    };
    for map in maps {
        let Kind::Map(fields) = map.kind else {
            let message = format!(
                "`<<` merges a map or a list of maps, found {what}; quote it if it is a text"
            );
            return Err(mistake(line, message));
        };
        for (key, node) in fields {
            if !merged.iter().any(|(known, _)| *known == key) {
                merged.push((key, node));
            }
        }
    }
    Ok(())
}

fn size(node: &Node) -> Size {
    let of = |sizes: &mut dyn Iterator<Item = Size>| {
        sizes.fold(Size { values: 1, levels: 1 }, |all, one| Size {
            values: all.values + one.values,
            levels: all.levels.max(one.levels + 1),
        })
    };
    match &node.kind {
        Kind::Scalar(_) => Size { values: 1, levels: 0 },
        Kind::List(items) => of(&mut items.iter().map(size)),
        Kind::Map(fields) => of(&mut fields.iter().map(|(_, node)| size(node))),
    }
}

fn mistake(line: u64, message: impl Into<String>) -> Mistake {
    Mistake { line: Some(line), message: message.into() }
}

fn too_deep(line: u64) -> Mistake {
    mistake(line, format!("lists and maps stand in one another more than {DEPTH_LIMIT} deep"))
}

fn line_of(span: Span) -> u64 {
    u64::try_from(span.start.line()).unwrap_or(u64::MAX)
}

/// What the parser stumbled over, with advice where it is known.
fn scan_mistake(text: &str, error: &ScanError) -> Mistake {
    let line = error.marker().line();
    let written = line.checked_sub(1).and_then(|index| text.lines().nth(index)).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            "a tab stands where YAML takes only spaces; indent with spaces".to_owned()
        }
        kind if written.contains("${") && written.contains(['{', '[']) => {
            format!("{kind}; within {{ }} and [ ] a `${{…}}` needs quotes: \"${{NAME}}\"")
        }
        kind => kind.to_string(),
    };
    Mistake { line: u64::try_from(line).ok(), message }
}
