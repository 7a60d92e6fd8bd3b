//! A parameter may leave out its lifetime, as in any function, a parameter of the program's own too.

#![allow(elided_lifetimes_in_paths, reason = "this is about them")]

use kisflow::{Link, Parameter, Result, prelude::*};

#[derive(Deserialize)]
struct Limits {
    max: u32,
}

#[derive(Clone, Copy)]
struct Label<'a>(&'a str);

impl Parameter for Label<'static> {
    type Bound = String;
    type Of<'a> = Label<'a>;

    fn bind(link: &mut Link<'_>) -> Option<String> {
        Some(link.function().to_owned())
    }

    fn get<'a>(bound: &'a String, _: Cx<'a>) -> Result<Label<'a>> {
        Ok(Label(bound))
    }
}

#[faas("Small")]
fn small(row: &u32, limits: Params<Limits>, label: Label, cx: Cx) -> bool {
    *row < limits.max && label.0 == cx.function()
}
