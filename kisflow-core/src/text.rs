//! Text from elsewhere, escaped so that a terminal shows it and does not interpret it.

use std::{borrow::Cow, error::Error, fmt::Write};

use crate::error::error_texts;

/// Returns `true` if a terminal may interpret a character instead of showing it: control characters
/// (C0, DEL, C1), line and paragraph separators, characters that change the direction of the text,
/// and invisible ones.
///
/// The joiners (U+200C, U+200D) are part of how some languages are written, and harmless.
///
/// ```
/// use kisflow_core::is_obeyed;
///
/// assert!("\u{1b}\u{9b}\n\u{2028}\u{202e}\u{2066}\u{feff}".chars().all(is_obeyed));
/// assert!(!"é 订 👩‍🚀".chars().any(is_obeyed));
/// ```
#[must_use]
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Escapes every character that [a terminal interprets](is_obeyed) as in JSON, where the escape
/// means the same. Characters in `keep` stay unchanged.
///
/// ```
/// use kisflow_core::escaped;
///
/// assert_eq!(escaped("a\u{1b}[2J\nb", &['\n']), "a\\u001b[2J\nb");
/// assert_eq!(escaped("\u{202e}gpj.exe\n", &[]), "\\u202egpj.exe\\n");
/// ```
#[must_use]
pub fn escaped<'a>(text: &'a str, keep: &[char]) -> Cow<'a, str> {
    let escapes = |character: &char| is_obeyed(*character) && !keep.contains(character);
    if !text.chars().any(|character| escapes(&character)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            shown if !escapes(&shown) => safe.push(shown),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            obeyed => {
                for unit in obeyed.encode_utf16(&mut [0; 2]) {
                    // Writing to a text cannot fail.
                    let _ = write!(safe, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(safe)
}

/// The beginning of a text, escaped, for a log: `most` characters, and the number of the others.
pub(crate) fn excerpt(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => escaped(text, &[]).into_owned(),
        Some((end, _)) => {
            let (shown, rest) = text.split_at(end);
            let more = rest.chars().count();
            format!("{}… ({more} characters more)", escaped(shown, &[]))
        }
    }
}

/// An error with its causes on one line, for a log: at most `most` characters of each, because the
/// error of a function or a decoder may contain the whole row.
pub(crate) fn excerpt_chain(error: &(dyn Error + 'static), most: usize) -> String {
    let texts: Vec<String> =
        error_texts(error).into_iter().map(|text| excerpt(&text, most)).collect();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::{escaped, excerpt, excerpt_chain};

    fn check(text: &str, shown: &str) {
        assert_eq!(escaped(text, &['\n']), shown);
        // In JSON it is still the same text.
        let json = serde_json::to_string(text).unwrap();
        let safe = escaped(&json, &[]);
        assert!(!safe.chars().any(super::is_obeyed), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_as_in_json() {
        check("plain é 订 👩‍🚀", "plain é 订 👩‍🚀");
        check("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007");
        check("\u{9b}31m\u{85}\u{7f}", "\\u009b31m\\u0085\\u007f");
        check("a\u{2028}b\u{2029}c", "a\\u2028b\\u2029c");
        check("\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}", "\\u202a\\u202e\\u2066\\u2069\\u200e");
        check("\u{61c}\u{feff}", "\\u061c\\ufeff");
        check("\u{e0041}", "\\udb40\\udc41");
        check("two\nlines\r\n", "two\nlines\\r\n");
    }

    #[test]
    fn a_log_has_the_beginning_of_a_text() {
        assert_eq!(excerpt("short", 5), "short");
        assert_eq!(excerpt("söme längth", 4), "söme… (7 characters more)");
        assert_eq!(excerpt("\u{1b}[2J", 120), "\\u001b[2J");
        let row = "x".repeat(1 << 20);
        let error: crate::BoxError = format!("cannot read {row}").into();
        assert!(excerpt_chain(&*error, 120).len() < 200);
    }
}
