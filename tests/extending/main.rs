//! A source, a connector and a parameter of a program's own, as docs/extending.md shows them.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod connector;
mod parameter;
mod source;
