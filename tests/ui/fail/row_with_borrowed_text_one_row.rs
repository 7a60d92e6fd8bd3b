//! A row type borrows from the text that it is read from, one by one.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Word<'a> {
    text: &'a str,
}

#[faas("Length")]
fn length(word: &Word<'_>) -> usize {
    word.text.len()
}

fn main() {}
