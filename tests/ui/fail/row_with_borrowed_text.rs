//! A row type borrows from the text that it is read from.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Word<'a> {
    text: &'a str,
}

#[faas("Count")]
fn count(words: &[Word<'_>]) -> Vec<usize> {
    words.iter().map(|word| word.text.len()).collect()
}

fn main() {}
