//! A row is one type, known when the program is built.

use kisflow::prelude::*;

#[faas("Print")]
fn print(row: &dyn std::fmt::Display) {
    println!("{row}");
}

fn main() {}
