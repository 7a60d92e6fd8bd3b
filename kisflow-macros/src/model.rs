//! A `#[faas]` function, read and checked.

use quote::quote;
use syn::{ItemFn, Type};

use crate::{
    errors::Errors,
    result::RowResult,
    signature::{Argument, arguments, generic_of, is_named},
};

/// How the function takes its rows.
pub(crate) enum Rows {
    /// `&[T]`.
    Batch { row: Type },
    /// `&T`.
    Each { row: Type, result: RowResult },
}

/// Reads the function; `None` when it has no rows to go by, after reporting why.
pub(crate) fn read(function: &ItemFn, errors: &mut Errors) -> (Vec<Argument>, Option<Rows>) {
    let arguments = arguments(function, "the rows", errors);
    let reference = arguments.iter().find_map(|argument| match argument {
        Argument::Reference(reference) => Some(reference),
        Argument::Parameter(_) => None,
    });
    let Some(reference) = reference else {
        let owned = arguments.iter().any(|argument| matches!(argument, Argument::Parameter(ty) if generic_of(ty, "Vec").is_some()));
        let receiver = function.sig.receiver().is_some();
        if !owned && !receiver {
            errors.at(&function.sig.ident, "a kisflow function takes its rows by reference: add a parameter `rows: &[T]`, or `row: &T` for one row at a time");
        }
        return (arguments, None);
    };
    let rows = match &*reference.elem {
        Type::Slice(slice) => Some(Rows::Batch { row: (*slice.elem).clone() }),
        row => one_row(function, reference, row, errors),
    };
    (arguments, rows)
}

fn one_row(
    function: &ItemFn,
    reference: &syn::TypeReference,
    row: &Type,
    errors: &mut Errors,
) -> Option<Rows> {
    if let Some(inner) = generic_of(row, "Vec") {
        errors.at(reference, format!("a batch is a slice: write `&[{}]`", quote!(#inner)));
        return None;
    }
    if let Type::Array(array) = row {
        let inner = &array.elem;
        errors.at(
            reference,
            format!("a batch has any number of rows: write `&[{}]`", quote!(#inner)),
        );
        return None;
    }
    if is_named(row, "str") {
        errors.at(reference, "a row is a value of its own: write `&String`");
        return None;
    }
    if let Some(asyncness) = &function.sig.asyncness {
        errors.at(
            asyncness,
            format!("an async function takes a whole batch, so that it waits once and not once a row: write `&[{}]`, or drop `async`", quote!(#row)),
        );
        return None;
    }
    let result = RowResult::read(&function.sig.output, errors);
    Some(Rows::Each { row: row.clone(), result })
}
