//! A type as its writer would write it, for messages.

use quote::ToTokens;

/// `Vec<&Order>`, where tokens print as `Vec < & Order >`.
pub(crate) fn words(tokens: &impl ToTokens) -> String {
    let tight = [
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" ,", ","),
        (" ;", ";"),
        ("[ ", "["),
        (" ]", "]"),
    ];
    tight
        .iter()
        .fold(tokens.to_token_stream().to_string(), |text, (wide, tight)| text.replace(wide, tight))
}
