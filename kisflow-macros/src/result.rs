//! What a one-row function's result makes of its row, told by the words of its type.

use quote::quote;
use syn::{ReturnType, Type};

use crate::{
    errors::Errors,
    signature::{generic_of, is_named},
};

/// What becomes of a row.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shape {
    /// `()`.
    Sink,
    /// `U`.
    Map,
    /// `Option<U>`.
    FilterMap,
    /// `bool`.
    Filter,
    /// `Vec<U>`.
    FlatMap,
}

/// The result of a one-row function.
pub(crate) struct RowResult {
    pub(crate) shape: Shape,
    /// Whether it stands in a `Result`.
    pub(crate) fallible: bool,
    /// The result, or what stands in the `Result`.
    pub(crate) ty: Option<Type>,
}

impl RowResult {
    pub(crate) fn read(output: &ReturnType, errors: &mut Errors) -> Self {
        let ReturnType::Type(_, whole) = output else {
            return Self { shape: Shape::Sink, fallible: false, ty: None };
        };
        let (ty, fallible) = match generic_of(whole, "Result") {
            Some(inner) => (inner, true),
            None => (&**whole, false),
        };
        let shape = match ty {
            Type::Tuple(tuple) if tuple.elems.is_empty() => Shape::Sink,
            Type::Tuple(tuple) if tuple.elems.iter().any(|element| is_named(element, "Action")) => {
                errors.at(ty, ACTION);
                Shape::Map
            }
            ty if is_named(ty, "Action") => {
                errors.at(ty, ACTION);
                Shape::Map
            }
            Type::Reference(_) | Type::ImplTrait(_) => {
                errors.at(ty, format!("`{}` is borrowed or unnamed: a row outlives the function that makes it; return a type that owns what it holds", quote!(#ty)));
                Shape::Map
            }
            ty if is_named(ty, "bool") => Shape::Filter,
            ty if generic_of(ty, "Option").is_some() => Shape::FilterMap,
            ty if generic_of(ty, "Vec").is_some() => Shape::FlatMap,
            _ => Shape::Map,
        };
        Self { shape, fallible, ty: Some(ty.clone()) }
    }
}

const ACTION: &str = "an action is asked for once a batch, not once a row: take the batch, `&[T]`, or return `bool` or `Option<U>` to filter rows";
