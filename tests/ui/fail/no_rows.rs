//! A function takes no rows at all.

use kisflow::prelude::*;

#[faas("Tick")]
fn tick() {
    println!("tick");
}

fn main() {}
