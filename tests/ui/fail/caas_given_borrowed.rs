//! What the caller gives is known by its type, and this one borrows.

use kisflow::{Result, prelude::*};

#[caas(connector = "Words", function = "SaveWords")]
async fn save(words: &[&str]) -> Result<()> {
    let _ = words;
    Ok(())
}

fn main() {}
