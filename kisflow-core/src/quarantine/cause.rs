//! Causes without the parts that differ from row to row.

/// Returns a cause without the parts that differ from row to row: numbers and ids become `#`,
/// quoted text becomes `…`. So rows that fail for the same reason have the same cause.
///
/// ```
/// use kisflow_core::fold_cause;
///
/// assert_eq!(fold_cause("order 1701 costs -3.5e2: \"tea\" is gone"), "order # costs #: \"…\" is gone");
/// ```
#[must_use]
pub fn fold_cause(cause: &str) -> String {
    let mut folded = String::with_capacity(cause.len());
    let mut rest = cause;
    while let Some(first) = rest.chars().next() {
        let before = folded.chars().next_back();
        let (taken, kept) = match first {
            '`' => quoted(rest, '`').map_or((1, "`".into()), |length| {
                (length, rest.get(..length).map(str::to_owned).unwrap_or_default())
            }),
            '"' => quoted(rest, '"')
                .map_or((1, "\"".to_owned()), |length| (length, "\"…\"".to_owned())),
            // Inside a word it is an apostrophe.
            '\'' if !before.is_some_and(char::is_alphanumeric) => match quoted(rest, '\'') {
                Some(length) => (length, "'…'".to_owned()),
                None => (1, "'".to_owned()),
            },
            '-' | '+' if starts_number(rest.get(1..)) && !before.is_some_and(is_word) => {
                let length = 1 + token(rest.get(1..).unwrap_or_default());
                (length, "#".to_owned())
            }
            first if is_word(first) => {
                let length = token(rest);
                let word = rest.get(..length).unwrap_or_default();
                let ends_name = follows_word(&folded) && is_version(word);
                let folded =
                    if ends_name || !(is_number(word) || is_id(word)) { word } else { "#" };
                (length, folded.to_owned())
            }
            other => (other.len_utf8(), other.to_string()),
        };
        folded += &kept;
        rest = rest.get(taken..).unwrap_or_default();
    }
    folded
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn starts_number(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.starts_with(|first: char| first.is_ascii_digit()))
}

/// The length of a quoted text, quotes included; `None` if it is not closed.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            end if end == quote => return Some(position + 1),
            _ => {}
        }
    }
    None
}

/// The length of the number or word at the beginning of a text. A number includes its fraction and
/// exponent, and what joins it to another (`10:31:07`, `2026-11-27`). A word with a digit includes
/// the words and numbers behind a hyphen, because it may be an id.
fn token(text: &str) -> usize {
    let mut end = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((position, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let before = text.get(..position).unwrap_or_default();
        let joins = match character {
            '.' | ',' | ':' => {
                before.ends_with(|last: char| last.is_ascii_digit())
                    && before.starts_with(|first: char| first.is_ascii_digit())
                    && next.is_some_and(|next| next.is_ascii_digit())
            }
            '-' | '+' => {
                before.contains(|digit: char| digit.is_ascii_digit()) && next.is_some_and(is_word)
            }
            other => is_word(other),
        };
        if !joins {
            break;
        }
        end = position + character.len_utf8();
    }
    end
}

/// Returns whether it is a number, in any notation, with a unit or a date's letters: it begins with
/// a digit.
fn is_number(word: &str) -> bool {
    starts_number(Some(word))
}

/// Returns whether it is an id: a longer word with more digits than a name has. `i32`, `utf8`,
/// `score_1` and `SHA256` are names.
fn is_id(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    digits >= 3 && word.chars().count() >= 6 && !(digits == 3 && is_name(word))
}

/// Returns whether each part of a word is letters, with digits behind them if any: `SHA256`, `base64-encoded`.
fn is_name(word: &str) -> bool {
    word.split('-').all(|part| {
        let letters = part.trim_end_matches(|last: char| last.is_ascii_digit());
        !letters.is_empty() && !letters.contains(|letter: char| letter.is_ascii_digit())
    })
}

/// Returns whether a text ends with a word and a hyphen: what follows may belong to a name, as in
/// `UTF-8`.
fn follows_word(text: &str) -> bool {
    text.strip_suffix('-').is_some_and(|text| text.ends_with(char::is_alphabetic))
}

/// Returns whether a word may end a name behind a hyphen, as in `UTF-16LE` and `SHA-256`; a longer
/// number is an id.
fn is_version(word: &str) -> bool {
    let digits = word.chars().take_while(char::is_ascii_digit).count();
    (1..=3).contains(&digits) && word.chars().skip(digits).all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::fold_cause;

    fn check(cause: &str, folded: &str) {
        assert_eq!(fold_cause(cause), folded);
        assert_eq!(fold_cause(folded), folded, "what is folded stays as it is");
    }

    #[test]
    fn causes_that_differ_by_a_number_are_one() {
        check("order 1701 is late by 30 s", "order # is late by # s");
        check("1,234.50 is more than -7, 1e-9 and 0x1F", "# is more than #, # and #");
        check("at 2026-11-27T10:31:07Z", "at #");
        check("connect 10.0.0.1:6379 refused", "connect # refused");
        check("expected i32 at 7", "expected i32 at #");
        check("missing field `score_1` at line 1", "missing field `score_1` at line #");
        check("a utf8 text, of u64 or f64", "a utf8 text, of u64 or f64");
    }

    #[test]
    fn a_number_that_belongs_to_a_name_stays() {
        for name in [
            "UTF-8",
            "UTF-16LE",
            "SHA256",
            "SHA-256",
            "SHA-1",
            "base64",
            "base64-encoded",
            "CRC-32C",
            "latin1",
            "MD5",
            "i32",
        ] {
            check(name, name);
            check(&format!("not {name}: byte 7"), &format!("not {name}: byte #"));
        }
        check(
            "not UTF-8: byte 0xFF; convert the file, as with `iconv -f LATIN1 -t UTF-8`",
            "not UTF-8: byte #; convert the file, as with `iconv -f LATIN1 -t UTF-8`",
        );
        check("user-4711 and ORD-1701, not 3-4 or -5", "user-# and ORD-#, not # or #");
    }

    #[test]
    fn causes_that_differ_by_a_quoted_value_or_an_id_are_one() {
        check("no article is named \"tae\"", "no article is named \"…\"");
        check(
            "invalid type: string \"a\\\"b\", expected u32",
            "invalid type: string \"…\", expected u32",
        );
        check("'x' isn't a city, 'Ulm' is", "'…' isn't a city, '…' is");
        check("it's gone", "it's gone");
        check("an open \"quote 7", "an open \"quote #");
        check("order 3f2a91c0 and ORD-1701", "order # and ORD-#");
        check("id 8c0d1f1e-7a5b-4f8e-9a4e-0d6c1f2a3b4c", "id #");
        check("id f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "id #");
        check("заказ A17042Б ждёт", "заказ # ждёт");
    }
}
