//! A function takes parameters, but no rows.

use kisflow::prelude::*;

#[faas("Tick")]
fn tick(cx: Cx<'_>) {
    println!("{}", cx.flow());
}

fn main() {}
