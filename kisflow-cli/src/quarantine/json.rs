//! JSON as it was written, with other blanks: a row's keys keep their order, its numbers their
//! digits.

use std::iter::repeat_n;

use serde::de::IgnoredAny;

/// Whether a text is JSON.
///
/// # Errors
///
/// What is wrong with it, and where.
pub(super) fn check(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|error| error.to_string())
}

/// A line for each value, indented; nothing for what is no JSON.
pub(super) fn pretty(text: &str) -> Option<String> {
    check(text).ok()?;
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(repeat_n("  ", depth));
    };
    let text = compact(text);
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0_usize;
    let mut quotes = Quotes::default();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            _ if quotes.have(character) => out.push(character),
            '{' | '[' => {
                out.push(character);
                // An empty one stays on its line.
                if !matches!(characters.peek(), Some('}' | ']')) {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                if !out.ends_with(['{', '[']) {
                    depth = depth.saturating_sub(1);
                    line(&mut out, depth);
                }
                out.push(character);
            }
            ',' => {
                out.push(character);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    Some(out)
}

/// On one line, without blanks.
pub(super) fn compact(text: &str) -> String {
    let mut quotes = Quotes::default();
    text.chars()
        .filter(|character| quotes.have(*character) || !character.is_ascii_whitespace())
        .collect()
}

/// Where in JSON one is: within a text, or not.
#[derive(Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Whether the next character belongs to a text; its quotes do.
    fn have(&mut self, character: char) -> bool {
        let was_open = self.open;
        match character {
            _ if self.escaped => self.escaped = false,
            '\\' if self.open => self.escaped = true,
            '"' => self.open = !self.open,
            _ => {}
        }
        was_open || self.open
    }
}

#[cfg(test)]
mod tests {
    use super::{compact, pretty};

    fn check(text: &str, indented: &str) {
        let found = pretty(text).unwrap();
        assert_eq!(found, indented);
        assert_eq!(compact(&found), compact(text));
    }

    #[test]
    fn values_have_lines_of_their_own() {
        check(r#"{"b":1,"a":[1, 2]}"#, "{\n  \"b\": 1,\n  \"a\": [\n    1,\n    2\n  ]\n}");
        check("7", "7");
        check(" [ ] ", "[]");
        check(r#"{"a":{},"b":[[]]}"#, "{\n  \"a\": {},\n  \"b\": [\n    []\n  ]\n}");
    }

    #[test]
    fn what_is_written_is_not_touched() {
        check("1.0000000000000000000001", "1.0000000000000000000001");
        check(r#"{"a":"{} , : \" [\\"}"#, "{\n  \"a\": \"{} , : \\\" [\\\\\"\n}");
        assert_eq!(compact("{\"a b\": \"c  d\" ,\n\"a b\":2}"), r#"{"a b":"c  d","a b":2}"#);
    }

    #[test]
    fn what_is_no_json_is_left_alone() {
        assert_eq!(pretty("{\"a\":"), None);
        assert_eq!(pretty(""), None);
        assert_eq!(pretty("{} {}"), None);
    }
}
