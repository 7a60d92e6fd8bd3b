//! What lives for ever may be handed on, and what is no word of the macros is an ordinary row.

use std::{borrow::Cow, collections::BTreeMap};

use kisflow::prelude::*;

type Word = &'static str;
type Words = Vec<String>;

#[faas("Sign")]
fn sign(row: &i64) -> &'static str {
    if *row < 0 { "minus" } else { "plus" }
}

#[faas("Alias")]
fn alias(row: &i64) -> Word {
    sign(row)
}

#[faas("Text")]
fn text(row: &i64) -> Option<Cow<'static, str>> {
    (*row != 0).then_some(Cow::Borrowed("some"))
}

#[faas("Pair")]
fn pair(row: &i64) -> (i64, BTreeMap<String, i64>) {
    (*row, BTreeMap::new())
}

#[faas("Signs")]
fn signs(rows: &[i64]) -> Vec<&'static str> {
    rows.iter().map(sign).collect()
}

#[faas("Names")]
async fn names(rows: &[i64]) -> Words {
    rows.iter().map(i64::to_string).collect()
}
