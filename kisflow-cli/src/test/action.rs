//! The `action` that a test expects, as text.

use kisflow_core::{Action, suggest};

const WORDS: [&str; 5] = ["Next", "Reuse", "Force", "Abort", "Jump(…)"];

/// Reads what [`Action`] displays: `Reuse | Jump(Total)`.
///
/// # Errors
///
/// When a word is none of an action.
pub(super) fn parse(text: &str) -> Result<Action, String> {
    text.split('|').map(|word| one(word.trim())).try_fold(Action::Next, |all, word| Ok(all | word?))
}

fn one(word: &str) -> Result<Action, String> {
    let target = word.strip_prefix("Jump(").and_then(|rest| rest.strip_suffix(')'));
    match (word, target.map(str::trim)) {
        (_, Some(target)) if !target.is_empty() => Ok(Action::Jump(target.to_owned().into())),
        ("Next", _) => Ok(Action::Next),
        ("Reuse", _) => Ok(Action::Reuse),
        ("Force", _) => Ok(Action::Force),
        ("Abort", _) => Ok(Action::Abort),
        _ => Err(format!("\"{word}\" is no action{}", suggest(word, WORDS))),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        match parse(text) {
            Ok(action) => assert_eq!(action.to_string(), shown),
            Err(message) => assert_eq!(message, shown),
        }
    }

    #[test]
    fn an_action_is_read_as_it_is_shown() {
        for text in ["Next", "Reuse", "Force", "Abort", "Jump(Total)", "Reuse | Jump(Total)"] {
            check(text, text);
        }
        check("Jump( Total )|Reuse", "Reuse | Jump(Total)");
    }

    #[test]
    fn a_word_that_is_none_of_an_action_gets_a_suggestion() {
        check("Reuse | Abrt", "\"Abrt\" is no action; did you mean \"Abort\"?");
        check("Go", "\"Go\" is no action; known: Next, Reuse, Force, Abort, Jump(…)");
        check("Jump()", "\"Jump()\" is no action; did you mean \"Jump(…)\"?");
    }
}
