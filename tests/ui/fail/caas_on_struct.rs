//! A struct is no storage logic.

use kisflow::prelude::*;

#[caas(connector = "Orders", function = "SaveOrders")]
struct Save;

fn main() {}
