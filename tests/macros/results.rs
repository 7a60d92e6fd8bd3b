//! Every kind of result, and what becomes of the rows.

use std::io;

use kisflow::{Result, prelude::*};

use super::{output, run, run_conf};

const ROWS: [&str; 3] = ["1", "2", "3"];

fn doubled(rows: &[u32]) -> Vec<u32> {
    rows.iter().map(|row| row * 2).collect()
}

/// The same body as a sync and as an async function of a batch, in each kind of `Result` and in
/// none: what reaches the end of the flow is the same for all.
macro_rules! batch {
    ($test:ident, $result:ty, $body:expr, $expected:expr) => {
        mod $test {
            use super::*;

            const BODY: fn(&[u32]) -> $result = $body;

            #[faas(crate = crate::unlisted)]
            fn sync(rows: &[u32]) -> $result {
                BODY(rows)
            }

            #[faas(crate = crate::unlisted)]
            async fn later(rows: &[u32]) -> $result {
                std::future::ready(()).await;
                BODY(rows)
            }

            #[faas(crate = crate::unlisted)]
            fn in_std_result(rows: &[u32]) -> std::result::Result<$result, std::fmt::Error> {
                Ok(BODY(rows))
            }

            #[faas(crate = crate::unlisted)]
            fn in_kisflow_result(rows: &[u32]) -> kisflow::Result<$result> {
                Ok(BODY(rows))
            }

            #[faas(crate = crate::unlisted)]
            async fn in_io_result(rows: &[u32]) -> io::Result<$result> {
                Ok(BODY(rows))
            }

            #[tokio::test]
            async fn in_every_form() {
                let expected: &[&str] = &$expected;
                assert_eq!(output(&run::<sync>(&ROWS).await), expected, "sync");
                assert_eq!(output(&run::<later>(&ROWS).await), expected, "async");
                assert_eq!(output(&run::<in_std_result>(&ROWS).await), expected, "std Result");
                assert_eq!(output(&run::<in_kisflow_result>(&ROWS).await), expected, "Result");
                assert_eq!(output(&run::<in_io_result>(&ROWS).await), expected, "io::Result");
            }
        }
    };
}

batch!(a_batch_function_may_return_nothing, (), |_| (), []);
batch!(a_batch_function_may_return_rows, Vec<u32>, doubled, ["2", "4", "6"]);
batch!(
    a_batch_function_may_return_a_batch,
    Batch,
    |rows| Batch::typed(doubled(rows)),
    ["2", "4", "6"]
);
batch!(a_batch_function_may_return_an_action, Action, |_| Action::Reuse, ["1", "2", "3"]);
batch!(
    a_batch_function_may_return_rows_and_an_action,
    (Vec<u32>, Action),
    |rows| (doubled(rows), Action::Next),
    ["2", "4", "6"]
);
batch!(
    a_batch_function_may_return_a_batch_and_an_action,
    (Batch, Action),
    |rows| (Batch::typed(doubled(rows)), Action::Reuse),
    ["1", "2", "3"]
);

/// The same body as a function of one row, in each kind of `Result` and in none.
macro_rules! one_row {
    ($test:ident, $result:ty, $body:expr, $expected:expr) => {
        mod $test {
            use super::*;

            const BODY: fn(&u32) -> $result = $body;

            #[faas(crate = crate::unlisted)]
            fn plain(row: &u32) -> $result {
                BODY(row)
            }

            #[faas(crate = crate::unlisted)]
            fn in_std_result(row: &u32) -> std::result::Result<$result, std::fmt::Error> {
                Ok(BODY(row))
            }

            #[faas(crate = crate::unlisted)]
            fn in_kisflow_result(row: &u32) -> kisflow::Result<$result> {
                Ok(BODY(row))
            }

            #[faas(crate = crate::unlisted)]
            fn in_io_result(row: &u32) -> io::Result<$result> {
                Ok(BODY(row))
            }

            #[tokio::test]
            async fn in_every_form() {
                let expected: &[&str] = &$expected;
                assert_eq!(output(&run::<plain>(&ROWS).await), expected, "plain");
                assert_eq!(output(&run::<in_std_result>(&ROWS).await), expected, "std Result");
                assert_eq!(output(&run::<in_kisflow_result>(&ROWS).await), expected, "Result");
                assert_eq!(output(&run::<in_io_result>(&ROWS).await), expected, "io::Result");
            }
        }
    };
}

one_row!(a_one_row_function_may_return_nothing, (), |_| (), []);
one_row!(
    a_one_row_function_may_map,
    String,
    |row| format!("<{row}>"),
    ["\"<1>\"", "\"<2>\"", "\"<3>\""]
);
one_row!(
    a_one_row_function_may_map_and_filter,
    Option<u32>,
    |row| (*row != 2).then_some(row * 2),
    ["2", "6"]
);
one_row!(a_one_row_function_may_filter, bool, |row| *row != 2, ["1", "3"]);
one_row!(
    a_one_row_function_may_expand,
    Vec<u32>,
    |row| vec![*row; *row as usize - 1],
    ["2", "3", "3"]
);

#[derive(Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas]
fn small(order: &Order) -> bool {
    order.id < 100
}

#[tokio::test]
async fn a_filter_keeps_the_text_of_a_row_with_the_fields_that_it_does_not_know() {
    let kept = r#"{ "note" : "as it came", "id":10 , "rest":[1, {}], "big":1e400 }"#;
    let report = run::<small>(&[kept, r#"{"id":100}"#, r#"{"id":2}"#]).await;
    assert_eq!(output(&report), [kept, r#"{"id":2}"#]);
    assert_eq!(report.rows().filtered, 1);
}

#[faas]
fn strict(order: &Order) -> Result<u32, io::Error> {
    match order.id {
        0 => Err(io::Error::other("an order has a number")),
        id => Ok(id),
    }
}

#[tokio::test]
async fn an_error_of_a_one_row_function_rejects_that_row_alone() {
    let conf = FlowConf::new("Flow").then::<strict>().on_reject(OnReject::Quarantine);
    let rows = [r#"{"id":1}"#, r#"{"id":0}"#, r#"{"id":2}"#];
    let report = run_conf(Registry::new().function::<strict>(), conf, &rows).await;
    assert_eq!(output(&report), ["1", "2"]);
    let [reject] = report.rejected() else { panic!("{report:?}") };
    assert_eq!((reject.index(), reject.cause().to_string().as_str()), (1, "an order has a number"));
}

#[faas]
fn closed(rows: &[u32]) -> Result<(), io::Error> {
    Err(io::Error::other(format!("closed to {} rows", rows.len())))
}

#[tokio::test]
async fn an_error_of_a_batch_function_fails_the_batch() {
    let registry = Registry::new().function::<closed>();
    let flows = registry.link(FlowConf::new("Flow").then::<closed>()).await.unwrap();
    let error = flows.get("Flow").unwrap().run(Batch::json(ROWS)).await.unwrap_err();
    error.report().assert_balanced();
    assert_eq!(error.report().rows().failed, 3);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "closed to 3 rows");
}
