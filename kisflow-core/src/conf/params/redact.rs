//! [`redact_secrets`]: text of a conf file without the secrets in it.

use super::is_secret;

/// Stands for a secret.
const MASK: &str = "(secret)";

/// Returns the text of a conf file with the values of [secret](crate::RawParams) keys (`password`,
/// `auth_token`) replaced by `(secret)`, for messages. Line numbers stay as they are. References to
/// variables (`${VAR}`) stay too.
///
/// ```
/// use kisflow_core::redact_secrets;
///
/// let text = "params:\n  password: hunter2\n  password_env: DB\n  pool: 2\n";
/// let shown = "params:\n  password: (secret)\n  password_env: DB\n  pool: 2\n";
/// assert_eq!(redact_secrets(text), shown);
/// ```
#[must_use]
pub fn redact_secrets(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    // The indentation of a secret key whose value continues on further lines.
    let mut inside: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let (content, end) = line.split_at(content.len());
        let indent = content.len() - content.trim_start_matches([' ', '-']).len();
        inside = inside.filter(|key| content.trim().is_empty() || indent > *key);
        if inside.is_some() && !content.trim().is_empty() {
            redacted.extend(content.chars().take_while(|c| matches!(c, ' ' | '-')));
            redacted += MASK;
        } else {
            let is_open = redact_line(content, &mut redacted);
            inside = inside.or(is_open.then_some(indent));
        }
        redacted += end;
    }
    redacted
}

/// Appends one line without its secrets. Whether the value of a secret key may go on in the next
/// line.
fn redact_line(line: &str, redacted: &mut String) -> bool {
    let mut rest = line;
    while let Some((before, value)) = split_at_value(rest) {
        let blanks = value.len() - value.trim_start().len();
        let (blanks, value) = value.split_at(blanks);
        redacted.push_str(before);
        redacted.push_str(blanks);
        if !is_secret(key(before)) {
            rest = value;
            continue;
        }
        let (value, behind) = value.split_at(end_of(value));
        let is_variable = value.starts_with("${");
        match is_variable || value.is_empty() {
            true => redacted.push_str(value),
            false => redacted.push_str(MASK),
        }
        if behind.is_empty() {
            return !is_variable;
        }
        rest = behind;
    }
    redacted.push_str(rest);
    false
}

/// The text up to the colon behind a key, and what follows.
fn split_at_value(line: &str) -> Option<(&str, &str)> {
    let ends = line.match_indices(':').map(|(at, colon)| at + colon.len());
    ends.map(|end| line.split_at(end)).find(|(before, after)| {
        // `a:b` is a text; `"a":1` is a key and a value, as in JSON.
        after.chars().next().is_none_or(char::is_whitespace)
            || before.ends_with("\":")
            || before.ends_with("':")
    })
}

/// The key in front of a colon.
fn key(before: &str) -> &str {
    let key = before.trim_end_matches(':').trim_end().trim_end_matches(['"', '\'']);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    key.rsplit(|c| !is_part(c)).next().unwrap_or_default()
}

/// Where a value ends: behind its quotes, or in front of what ends it in a map on one line.
fn end_of(value: &str) -> usize {
    let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else {
        // A variable has braces of its own.
        let own = value.strip_prefix("${").and_then(|rest| rest.find('}')).map_or(0, |at| at + 3);
        let ends = value.match_indices([',', '}', ']']).map(|(at, _)| at);
        return ends.into_iter().find(|at| *at >= own).unwrap_or(value.len());
    };
    let mut characters = value.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        let is_double = characters.peek().is_some_and(|(_, next)| *next == quote);
        match character {
            '\\' if quote == '"' => drop(characters.next()),
            '\'' if quote == '\'' && is_double => drop(characters.next()),
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::redact_secrets;

    #[test]
    fn the_values_of_secret_keys_are_not_shown() {
        for (text, shown) in [
            ("password: hunter2\nnext: 1\n", "password: (secret)\nnext: 1\n"),
            ("  - token: a b # c\n", "  - token: (secret)\n"),
            (
                "params: {user: me, password: hunter2, pool: 2}",
                "params: {user: me, password: (secret), pool: 2}",
            ),
            ("params: {password: \"a, b\", pool: 2}", "params: {password: (secret), pool: 2}"),
            ("params: {password: 'it''s', pool: 2}", "params: {password: (secret), pool: 2}"),
            ("{\"password\":\"x\\\"y\",\"pool\":2}", "{\"password\":(secret),\"pool\":2}"),
            ("\"auth-token\" : abc", "\"auth-token\" : (secret)"),
            (
                "password: |\n  line\n  more\nnext: 1",
                "password: (secret)\n  (secret)\n  (secret)\nnext: 1",
            ),
            ("password:\n  hunter2\nnext: 1", "password:\n  (secret)\nnext: 1"),
            ("password: ${SECRET}\n", "password: ${SECRET}\n"),
            ("{password: ${SECRET}, pool: 2}", "{password: ${SECRET}, pool: 2}"),
            (
                "password_env: DB\nkey: a:b\nurl: http://x\n",
                "password_env: DB\nkey: a:b\nurl: http://x\n",
            ),
            ("# password: hunter2\r\nä: ö\r\n", "# password: (secret)\r\nä: ö\r\n"),
            ("password:", "password:"),
        ] {
            assert_eq!(redact_secrets(text), shown, "{text}");
        }
    }

    /// All short texts of characters that mean something here, beside a key and as one.
    #[test]
    fn any_text_keeps_its_lines() {
        let characters = [':', '"', '\'', '{', '}', '$', ',', ' ', '|', '\n', '\\', '-', 'ä'];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer = texts.iter().flat_map(|text| characters.map(|c| format!("{text}{c}")));
            texts = longer.collect();
            for text in &texts {
                let text = format!("password: {text}\n{text}: x\ntoken{text}");
                let lines = |text: &str| text.matches('\n').count();
                assert_eq!(lines(&redact_secrets(&text)), lines(&text), "{text:?}");
            }
        }
    }
}
