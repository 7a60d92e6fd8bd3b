//! What the macros accept: it compiles.

mod elided_lifetimes;
mod names_and_patterns;
mod static_results;
