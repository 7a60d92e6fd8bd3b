//! A one-row function hands on a part of its own row, or filters it.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
struct Line {
    first: Option<String>,
}

#[faas("First")]
fn first(line: &Line) -> Option<&String> {
    line.first.as_ref()
}

fn main() {}
