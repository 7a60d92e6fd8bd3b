//! A struct is no function.

use kisflow::prelude::*;

#[faas("AvgStuScore")]
struct AvgStuScore;

fn main() {}
