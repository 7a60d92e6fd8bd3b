//! The names of CSV columns.

use kisflow_core::PlainValue;

/// One column.
#[derive(Clone, Debug)]
pub struct Column {
    /// `"name":`
    pub key: Vec<u8>,
    /// Whether its values are text, whatever they look like.
    pub is_text: bool,
}

/// The columns of these names.
///
/// # Errors
///
/// When two names are the same, or `text` has one that is not among them; the words stand behind
/// "the header of ‹path›".
pub fn columns(names: &[String], text: &[String]) -> Result<Vec<Column>, String> {
    for (at, name) in names.iter().enumerate() {
        if names.iter().take(at).any(|before| before == name) {
            return Err(format!("has the name `{name}` twice; rename one"));
        }
    }
    if let Some(stray) = text.iter().find(|text| !names.contains(text)) {
        return Err(format!("has no name `{stray}`, which `text` demands"));
    }
    let column = |name: &String| {
        let mut key = Vec::new();
        PlainValue(name).write_text(&mut key);
        key.push(b':');
        Column { key, is_text: text.contains(name) }
    };
    Ok(names.iter().map(column).collect())
}

/// The delimiter that a line of one field seems to have instead of this one.
#[must_use]
pub fn hint(line: &str, delimiter: u8) -> Option<char> {
    let others = [';', '\t', '|', ','].into_iter().filter(|other| *other != char::from(delimiter));
    others
        .max_by_key(|other| (line.matches(*other).count(), *other == ';'))
        .filter(|other| line.contains(*other))
}
