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
    let mut inside: Option<Inside> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let (content, end) = line.split_at(content.len());
        let indent = content.len() - content.trim_start_matches([' ', '\t', '-']).len();
        if !content.trim().is_empty() {
            let is_key = split_at_value(content).is_some();
            inside = inside.filter(|inside| inside.holds(indent, is_key));
        }
        match &mut inside {
            Some(_) if content.trim().is_empty() => {}
            Some(inside) => {
                redacted.extend(content.chars().take_while(|c| matches!(c, ' ' | '\t' | '-')));
                redacted += MASK;
                inside.has_value = true;
            }
            None => {
                let open = redact_line(content, &mut redacted);
                inside = open.map(|has_value| Inside { indent, has_value });
            }
        }
        redacted += end;
    }
    redacted
}

/// A secret whose value may continue on further lines.
struct Inside {
    /// The indentation of its key.
    indent: usize,
    /// Whether a part of the value was found.
    has_value: bool,
}

impl Inside {
    /// Whether a line belongs to the value. JSON does not indent it.
    fn holds(&self, indent: usize, is_key: bool) -> bool {
        indent > self.indent || (!self.has_value && !is_key)
    }
}

/// Appends one line without its secrets. If the value of a secret key may continue in the next line,
/// returns whether it began in this one.
fn redact_line(line: &str, redacted: &mut String) -> Option<bool> {
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
        let is_in_map = line.strip_suffix(value).is_some_and(|before| before.contains(['{', '[']));
        let (value, behind) = value.split_at(end_of(value, is_in_map));
        match value.is_empty() || is_variable(value) {
            true => redacted.push_str(value),
            false => redacted.push_str(MASK),
        }
        if behind.is_empty() {
            return (!is_variable(value)).then_some(!value.is_empty());
        }
        rest = behind;
    }
    redacted.push_str(rest);
    None
}

/// Whether a value is one variable and no more: `${NAME}`, without a default.
fn is_variable(value: &str) -> bool {
    let name = value.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.is_some_and(|name| !name.is_empty() && name.chars().all(is_part))
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

/// Where a value ends: behind its quotes; in a map on one line in front of what ends it there.
fn end_of(value: &str, is_in_map: bool) -> usize {
    let quote = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quote,
        // A map or a list is one secret.
        Some('{' | '[') => return value.len(),
        _ if !is_in_map => return value.len(),
        _ => {
            // A variable has braces of its own.
            let own = value.strip_prefix("${").and_then(|rest| rest.find('}'));
            let own = own.map_or(0, |at| at + "${}".len());
            let mut ends = value.match_indices([',', '}', ']']).map(|(at, _)| at);
            return ends.find(|at| *at >= own).unwrap_or(value.len());
        }
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
            ("password: hunter2,more} [x]", "password: (secret)"),
            ("password: ${PW:-hunter2}", "password: (secret)"),
            ("password: ${A}hunter2", "password: (secret)"),
            ("{password: ${PW:-hunter2}, pool: 2}", "{password: (secret), pool: 2}"),
            ("{password: {a: b, c: d}, pool: 2}", "{password: (secret)"),
            (
                "{\n\"password\":\n\"hunter2\",\n\"pool\": 2\n}",
                "{\n\"password\":\n(secret)\n\"pool\": 2\n}",
            ),
            ("password:\n\thunter2\nnext: 1", "password:\n\t(secret)\nnext: 1"),
            (
                "a:\n  token:\n    - x\n    - y\n  pool: 2",
                "a:\n  token:\n    - (secret)\n    - (secret)\n  pool: 2",
            ),
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
