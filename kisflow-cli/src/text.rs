//! Text that came from elsewhere, so that a terminal shows it and does not obey it.

use kisflow_core::escaped;

/// On one line: line ends and tabs become blanks, whatever else a terminal would obey is escaped.
pub(crate) fn one_line(text: &str) -> String {
    let blank =
        |character: char| if matches!(character, '\n' | '\r' | '\t') { ' ' } else { character };
    let line: String = text.trim().chars().map(blank).collect();
    escaped(&line, &[]).into_owned()
}

/// On its own lines; whatever else a terminal would obey is escaped.
pub(crate) fn harmless(text: &str) -> String {
    escaped(text, &['\n', '\t']).into_owned()
}

/// JSON that says the same, with nothing in it that a terminal would obey but its line ends.
pub(crate) fn harmless_json(json: &str) -> String {
    escaped(json, &['\n']).into_owned()
}

/// As [`harmless`], with colours: what is printed may have them, and what came from elsewhere has been
/// escaped before. It is the net below all that is printed.
pub(crate) fn styled(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\u{1b}') {
        let (before, sequence) = rest.split_at(start);
        safe += &harmless(before);
        let end = colour(sequence).unwrap_or_default();
        let (sequence, behind) = sequence.split_at(end);
        safe += sequence;
        let mut characters = behind.chars();
        if end == 0
            && let Some(escape) = characters.next()
        {
            safe += &harmless(escape.encode_utf8(&mut [0; 4]));
        }
        rest = characters.as_str();
    }
    safe + &harmless(rest)
}

/// How long the sequence is that changes a colour, if the text begins with one.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|character: char| !matches!(character, '0'..='9' | ';' | ':'))?;
    parameters.get(end..)?.starts_with('m').then_some(end + "\u{1b}[m".len())
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
    use super::{harmless, one_line, styled};

    #[test]
    fn what_would_move_the_cursor_is_escaped() {
        assert_eq!(one_line(" two\r\nlines \u{1b}[31mred\n"), "two  lines \\u001b[31mred");
        assert_eq!(one_line("a\u{2028}b \u{202e}txt.exe"), "a\\u2028b \\u202etxt.exe");
        assert_eq!(harmless("two\nlines\u{1b}[2J"), "two\nlines\\u001b[2J");
    }

    #[test]
    fn of_all_sequences_only_colours_are_printed() {
        let check = |text: &str, printed: &str| assert_eq!(styled(text), printed);
        check("\u{1b}[1;31mred\u{1b}[0m\n", "\u{1b}[1;31mred\u{1b}[0m\n");
        check("\u{1b}[2J\u{1b}[m", "\\u001b[2J\u{1b}[m");
        check("\u{1b}", "\\u001b");
        check("\u{1b}[31", "\\u001b[31");
        check("\u{1b}]0;x\u{7}\u{202e}", "\\u001b]0;x\\u0007\\u202e");
    }
}
