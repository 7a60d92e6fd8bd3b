//! What a function returns, told by the words of its type.

use syn::{GenericArgument, PathArguments, ReturnType, Type};

use crate::{
    borrow::{borrows, unnamed},
    errors::Errors,
    signature::{generic_of, is_named},
    words::words,
};

/// What becomes of a row that a one-row function was given.
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

/// A result type, taken apart.
pub(crate) struct Output<'f> {
    /// As it is written.
    pub(crate) whole: Option<&'f Type>,
    /// The result itself, or what stands in the `Result`.
    pub(crate) ty: Option<&'f Type>,
    /// Whether it stands in a `Result`.
    pub(crate) fallible: bool,
    /// `E` of `Result<T, E>`.
    pub(crate) error: Option<&'f Type>,
}

impl<'f> Output<'f> {
    pub(crate) fn read(output: &'f ReturnType) -> Self {
        let ReturnType::Type(_, whole) = output else {
            return Self { whole: None, ty: None, fallible: false, error: None };
        };
        match generic_of(whole, "Result") {
            Some(inner) => Self {
                whole: Some(whole),
                ty: Some(inner),
                fallible: true,
                error: second_generic(whole),
            },
            None => Self { whole: Some(whole), ty: Some(whole), fallible: false, error: None },
        }
    }

    /// `U` of `Vec<U>` or `(Vec<U>, Action)`.
    pub(crate) fn emitted(&self) -> Option<&'f Type> {
        match self.ty? {
            Type::Tuple(tuple) => {
                match (tuple.elems.len(), tuple.elems.first(), tuple.elems.last()) {
                    (2, Some(rows), Some(action)) if is_named(action, "Action") => {
                        generic_of(rows, "Vec")
                    }
                    _ => None,
                }
            }
            ty => generic_of(ty, "Vec"),
        }
    }

    /// `U` of `Option<U>` or `Vec<U>`.
    pub(crate) fn inner(&self) -> Option<&'f Type> {
        let ty = self.ty?;
        generic_of(ty, "Option").or_else(|| generic_of(ty, "Vec"))
    }

    /// What becomes of a row.
    pub(crate) fn shape(&self) -> Shape {
        match self.ty {
            None => Shape::Sink,
            Some(Type::Tuple(tuple)) if tuple.elems.is_empty() => Shape::Sink,
            Some(ty) if is_named(ty, "bool") => Shape::Filter,
            Some(ty) if generic_of(ty, "Option").is_some() => Shape::FilterMap,
            Some(ty) if generic_of(ty, "Vec").is_some() => Shape::FlatMap,
            Some(_) => Shape::Map,
        }
    }

    /// The mistakes that a function of a batch can make; those of one row can make them as well.
    pub(crate) fn check(&self, same: &str, errors: &mut Errors) {
        let Some(ty) = self.ty else { return };
        if unnamed(ty) {
            errors.at(ty, format!("`{}` is a type without a name: return the type itself, or collect the rows into a `Vec<U>`", words(ty)));
        } else if borrows(ty) {
            errors.at(ty, format!("`{}` is borrowed, and a row outlives the call that makes it: return a type that owns what it holds, or {same}", words(ty)));
        } else if let Some(inner) =
            self.inner().filter(|inner| generic_of(inner, "Result").is_some())
        {
            errors.at(inner, "a `Result` stands around the rows, not within: write `Result<Vec<U>>` or `Result<Option<U>>`; one row is rejected alone by the `Err` of a one-row function, or by `Cx::reject`");
        }
    }

    /// The mistakes that only a function of one row can make.
    pub(crate) fn check_row(&self, errors: &mut Errors) {
        let Some(ty) = self.ty else { return };
        let action = match ty {
            Type::Tuple(tuple) => tuple.elems.iter().any(|element| is_named(element, "Action")),
            ty => is_named(ty, "Action"),
        };
        if action {
            errors.at(ty, ACTION);
        } else if is_named(ty, "Batch") {
            errors.at(ty, "one row becomes no batch: return `Vec<U>` to make several rows of it, or take the batch, `&[T]`");
        } else {
            self.check("return `bool` to keep the row as it came", errors);
        }
    }
}

const ACTION: &str = "an action is asked for once a batch, not once a row: take the batch, `&[T]`, or return `bool` or `Option<U>` to filter rows";

/// `E` of `Result<T, E>`.
fn second_generic(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    arguments
        .args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .nth(1)
}
