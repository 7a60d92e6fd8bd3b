//! What the macros refuse, and in which words: `fail` has one file for each mistake.
//!
//! `TRYBUILD=overwrite cargo test --package kisflow-ui-tests` writes the messages anew; read them
//! as the person who made the mistake before you keep them.

#[test]
fn every_mistake_is_explained_once_where_it_is_made() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
