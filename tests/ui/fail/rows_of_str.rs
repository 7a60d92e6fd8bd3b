//! Rows of text are `String`s.

use kisflow::prelude::*;

#[faas("Length")]
fn length(lines: &[&str]) -> Vec<usize> {
    lines.iter().map(|line| line.len()).collect()
}

fn main() {}
