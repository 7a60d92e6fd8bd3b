//! A row of text is a `String`.

use kisflow::prelude::*;

#[faas("Length")]
fn length(line: &str) -> usize {
    line.len()
}

fn main() {}
