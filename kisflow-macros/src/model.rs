//! A `#[faas]` function, read and checked.

use syn::{ItemFn, Type, TypeReference};

use crate::{
    borrow::borrows,
    errors::Errors,
    result::{Output, Shape},
    signature::{Argument, arguments, generic_of, is_named, the_reference},
    words::words,
};

/// How the function takes its rows.
pub(crate) enum Rows {
    /// `&[T]`.
    Batch { row: Type },
    /// `&T`, or `&T` and `&mut S`.
    Each { row: Type, shape: Shape, state: Option<Box<Type>> },
}

/// Reads the function; `None` when it has no rows to go by, after reporting why.
pub(crate) fn read(function: &ItemFn, errors: &mut Errors) -> (Vec<Argument>, Option<Rows>) {
    let arguments = arguments(function, "the rows", true, errors);
    let Some(reference) = the_reference(&arguments) else {
        if !explained(function, &arguments) {
            errors.at(&function.sig.ident, "a kisflow function takes its rows by reference: add a parameter `rows: &[T]`, or `row: &T` for one row at a time");
        }
        return (arguments, None);
    };
    let output = Output::read(&function.sig.output);
    let rows = match &*reference.elem {
        Type::Slice(slice) => {
            output.check("return `Action::Reuse` to hand the rows on as they came", errors);
            owns(&slice.elem, errors).then(|| Rows::Batch { row: (*slice.elem).clone() })
        }
        row => one_row(function, reference, row, errors).then(|| {
            output.check_row(errors);
            let state = arguments.iter().find_map(Argument::state).cloned().map(Box::new);
            Rows::Each { row: row.clone(), shape: output.shape(), state }
        }),
    };
    (arguments, rows)
}

/// Whether another mistake says already where the rows are.
fn explained(function: &ItemFn, arguments: &[Argument]) -> bool {
    let owned = |argument: &Argument| matches!(argument, Argument::Parameter(ty, _) if generic_of(ty, "Vec").is_some());
    function.sig.receiver().is_some() || arguments.iter().any(owned)
}

/// Whether `&row` is one row; if not, after reporting why.
fn one_row(function: &ItemFn, reference: &TypeReference, row: &Type, errors: &mut Errors) -> bool {
    if let Some(inner) = generic_of(row, "Vec") {
        errors.at(reference, format!("a batch is a slice: write `&[{}]`", words(inner)));
        return false;
    }
    if let Type::Array(array) = row {
        let inner = &array.elem;
        errors
            .at(reference, format!("a batch has any number of rows: write `&[{}]`", words(inner)));
        return false;
    }
    if is_named(row, "str") {
        errors.at(reference, "a row is a value of its own: write `&String`");
        return false;
    }
    if is_named(row, "Batch") {
        errors.at(reference, "rows are read as a type: write `&[T]`");
        return false;
    }
    if let Some(asyncness) = &function.sig.asyncness {
        errors.at(
            asyncness,
            format!("an async function takes a whole batch, so that it waits once and not once a row: write `&[{}]`, or drop `async`", words(row)),
        );
        return false;
    }
    owns(row, errors)
}

/// Whether a row type owns what it holds; if not, after reporting it.
fn owns(row: &Type, errors: &mut Errors) -> bool {
    if matches!(row, Type::TraitObject(_)) {
        errors.at(row, "rows are read as one type, known when the program is built: write that type; to take any JSON, write `serde_json::Value`");
        return false;
    }
    if let Type::Reference(TypeReference { elem, lifetime: None, .. }) = row {
        let owned = match is_named(elem, "str") {
            true => "String".to_owned(),
            false => words(elem),
        };
        errors.at(row, format!("rows own what they hold, because they outlive the text that they are read from: write `&[{owned}]`"));
        return false;
    }
    if borrows(row) {
        errors.at(row, format!("`{}` borrows, and rows outlive the text that they are read from: give it fields that own what they hold, such as `String`", words(row)));
        return false;
    }
    true
}
