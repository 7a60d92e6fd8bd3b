//! `#[faas]` and `#[caas]`: what KisFlow does by reflection at run time, done by the compiler.
//!
//! Each macro works in three stages: `attribute` reads the parentheses, `model` (with `signature`,
//! `result` and `borrow`) reads the function and finds every mistake in it, `faas` and `caas` write
//! the shim. A function with a mistake is still emitted, with a shim that does nothing, so that one
//! mistake gives one message. Only the compiler knows whether a type has a trait: `assertion` asks
//! for that once, at the user's own tokens.

mod assertion;
mod attribute;
mod borrow;
mod caas;
mod errors;
mod faas;
mod model;
mod result;
mod signature;
mod words;

use proc_macro::TokenStream;

/// Makes an ordinary function a kisflow function; the function itself does not change.
///
/// ```
/// use kisflow::{Result, prelude::*};
///
/// #[derive(Deserialize)]
/// struct Scores {
///     score_1: f64,
///     score_2: f64,
/// }
///
/// #[derive(Serialize)]
/// struct Average {
///     avg_score: f64,
/// }
///
/// #[faas("AvgStuScore")]
/// fn avg_stu_score(row: &Scores) -> Average {
///     Average { avg_score: (row.score_1 + row.score_2) / 2.0 }
/// }
///
/// // A unit test needs no runtime.
/// assert_eq!(avg_stu_score(&Scores { score_1: 100.0, score_2: 90.0 }).avg_score, 95.0);
/// // As a type it is what conf names.
/// assert_eq!(<avg_stu_score as Function>::NAME, "AvgStuScore");
/// ```
///
/// The name in conf is the one in the parentheses, or the function's own. Beside the function the
/// macro defines a type of the same name, for `Registry::function::<avg_stu_score>()` and
/// `FlowConf::then::<avg_stu_score>()`.
///
/// | the rows | sync | async | results |
/// |---|---|---|---|
/// | `&[T]`, a batch | yes | yes | `()`, `Vec<U>`, `Batch`, `Action`, `(Vec<U>, Action)` |
/// | `&T`, one row | yes | no | `()` handles, `U` maps, `Option<U>` maps and filters, `bool` filters, `Vec<U>` expands |
///
/// Any of the results may be wrapped in `Result`: an `Err` from a one-row function rejects that row
/// alone, one from a batch function fails the batch. The rows are the only parameter that is a
/// reference; the others (`Params<'_, T>`, `Store<'_>`, `Cx<'_>`, …) are bound at link.
///
/// The function may be in a module or inside another function, but not in an `impl`, which cannot
/// contain a type. The macro goes by the words of the result: an alias of `Option`, `Vec`, `bool`
/// or `Result` as the result of a one-row function does not compile.
///
/// `crate = path` names the kisflow crate if it is not `::kisflow`.
#[proc_macro_attribute]
pub fn faas(arguments: TokenStream, item: TokenStream) -> TokenStream {
    faas::expand(&arguments.into(), &item.into()).into()
}

/// Registers storage logic for one connector and one function of the conf.
///
/// ```
/// use kisflow::{Record, Result, prelude::*};
///
/// #[derive(Serialize, Deserialize)]
/// struct Average {
///     stu_id: u32,
///     avg_score: f64,
/// }
///
/// #[caas(connector = "Score12Cache", function = "SaveScoreAvg12")]
/// async fn save(rows: &[Average], memory: Conn<'_, Memory>) -> Result<()> {
///     let field = |row: &Average| vec![("avg_score".into(), Some(row.avg_score.to_string()))];
///     let record = |row: &Average| Record { key: format!("avg_{}", row.stu_id), fields: field(row) };
///     memory.put(rows.iter().map(record).collect()).await
/// }
///
/// #[faas("SaveScoreAvg12")]
/// async fn save_score_avg_12(rows: &[Average], caas: Caas<'_, [Average]>) -> Result<Action> {
///     caas.call(rows).await?;
///     Ok(Action::Reuse)
/// }
/// ```
///
/// The only parameter that is a reference gets the caller's argument; the others are bound at link,
/// like those of `#[faas]`. The function calls it through `Caas<'_, [Average]>`, or
/// `Caas<'_, Args, Reply>` if it returns a reply.
#[proc_macro_attribute]
pub fn caas(arguments: TokenStream, item: TokenStream) -> TokenStream {
    caas::expand(&arguments.into(), &item.into()).into()
}
