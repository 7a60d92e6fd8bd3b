//! `test` of a connector: the engine that tests start for themselves in its place.

use serde::{Serialize, Serializer};

use super::{node::Kind, section::Section};

/// The word after the engine's type.
const PRIVATE: &str = "private";

/// Reads `{redis: private}` of a connector of this type.
pub(super) fn test_engine(section: &mut Section<'_>, engine: Option<&str>) -> Option<String> {
    let node = section.take("test")?;
    let named = match &node.kind {
        Kind::Map(entries) => match entries.as_slice() {
            [(name, word)] if word.as_text() == Some(PRIVATE) => Some(name),
            _ => None,
        },
        _ => None,
    };
    let engine = engine?;
    if named.is_none_or(|name| name != engine) {
        let expected = format!(
            "expected {{{engine}: {PRIVATE}}}, which starts an engine for each test; without `test` a memory takes the connector's place"
        );
        section.problem("test", node.line, format!("{expected}; found {}", node.describe()));
        return None;
    }
    named.cloned()
}

/// Writes it as it is read.
pub(super) fn write<S: Serializer>(
    engine: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let entry = engine.iter().map(|engine| (engine.clone(), PRIVATE));
    entry.collect::<super::RawParams>().serialize(serializer)
}
