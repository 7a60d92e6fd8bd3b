//! Text that came from elsewhere, so that a terminal shows it and does not obey it.

/// On one line, without anything that moves the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let calm = |character: char| if character.is_control() { ' ' } else { character };
    text.trim().chars().map(calm).collect()
}

/// On its own lines, without anything else that moves the cursor.
pub(crate) fn harmless(text: &str) -> String {
    let calm = |character: char| match character {
        '\n' | '\t' => character,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(calm).collect()
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(count: usize) -> String {
    counted(count, "row")
}

/// `1 flow`, `2 flows`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{harmless, one_line};

    #[test]
    fn what_would_move_the_cursor_is_taken_out() {
        assert_eq!(one_line(" two\r\nlines \u{1b}[31mred\n"), "two  lines  [31mred");
        assert_eq!(harmless("two\nlines\u{1b}[2J"), "two\nlines\u{fffd}[2J");
    }
}
