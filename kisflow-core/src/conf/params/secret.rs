//! Which keys hold secrets, by their names.

/// Words that make a key secret.
const WORDS: [&str; 10] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "credential",
    "credentials",
    "apikey",
];

/// Pairs of words that make a key secret.
const PAIRS: [(&str, &str); 4] =
    [("api", "key"), ("private", "key"), ("access", "key"), ("signing", "key")];

/// Last words of keys that name the place of a secret, not the secret.
const PLACES: [&str; 5] = ["env", "file", "path", "url", "name"];

/// Whether what stands at this key is secret: `password`, `auth_token`, `apiKey`; not
/// `password_env`, which names a variable.
pub(crate) fn is_secret(key: &str) -> bool {
    let words = words(key);
    if words.last().is_some_and(|last| PLACES.contains(&last.as_str())) {
        return false;
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()))
        || words.windows(2).any(|pair| match pair {
            [first, second] => PAIRS.contains(&(first.as_str(), second.as_str())),
            _ => false,
        })
}

/// `authToken`, `auth-token`, `AUTH_TOKEN` → `auth`, `token`.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for character in key.chars() {
        let starts = character.is_uppercase() && lower;
        if !character.is_alphanumeric() || starts {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            word.extend(character.to_lowercase());
        }
        lower = character.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn a_key_is_secret_by_its_words() {
        let check = |key: &str, expect: bool| assert_eq!(is_secret(key), expect, "{key}");
        for key in [
            "password",
            "PASSWORD",
            "sentinel_password",
            "dbPassword",
            "token",
            "auth-token",
            "authToken",
            "client.secret",
            "api_key",
            "apiKey",
            "private_key",
            "passphrase",
        ] {
            check(key, true);
        }
        for key in [
            "password_env",
            "token_file",
            "key",
            "max_tokens",
            "tokenizer",
            "zip",
            "pass",
            "keys",
            "secretary",
            "",
        ] {
            check(key, false);
        }
    }
}
