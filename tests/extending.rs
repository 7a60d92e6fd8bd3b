//! A source, a connector and a parameter of a program's own, as docs/extending.md shows them.

#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

#[path = "extending/connector.rs"]
mod connector;
#[path = "extending/parameter.rs"]
mod parameter;
#[path = "extending/source.rs"]
mod source;
