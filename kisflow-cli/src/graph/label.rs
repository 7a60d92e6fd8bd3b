//! What is written on a node.

use kisflow_core::is_obeyed;

use super::model::{Node, Picture};

/// The name, and the type of what the conf connects to.
pub(super) fn label(node: &Node<'_>, escape: fn(&str) -> String) -> String {
    match node.engine() {
        Some(engine) => format!("{} ({})", escape(node.name), escape(engine)),
        None => escape(node.name),
    }
}

/// What stands above a flow: not by its colour alone is told that it does not run.
pub(super) fn heading(picture: &Picture<'_>, escape: fn(&str) -> String) -> String {
    format!("{}{}", escape(picture.flow), if picture.enabled { "" } else { " (disabled)" })
}

/// A name may hold characters that no format can carry and nobody can see: each becomes a blank.
pub(super) fn visible(text: &str) -> impl Iterator<Item = char> {
    let unseen = |c: char| is_obeyed(c) || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(move |c| if unseen(c) { ' ' } else { c })
}
