//! What the macros refuse, and in which words: `ui/fail` has one file for each mistake, `ui/pass`
//! what is none.
//!
//! `TRYBUILD=overwrite cargo test --package kisflow-tests --test ui` writes the messages anew; read them as the person who
//! made the mistake before you keep them.

#[test]
fn every_mistake_is_explained_once_where_it_is_made() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
}

#[test]
fn what_is_no_mistake_compiles() {
    trybuild::TestCases::new().pass("ui/pass/*.rs");
}
