//! A row that is lost on its way is noticed: each function below makes the engine pick rows.

use crate::{
    Action, Answer, Batch, Call, Conf, FlowConf, Flows, Function, FunctionConf, Link, Mode, Place,
    Registry, Report, Result,
    batch::lost::lose,
    function::{Filter, FlatMap, Map},
};

/// Declares a function that is called for each row.
macro_rules! function {
    ($name:ident, $call:expr) => {
        struct $name;

        impl Function for $name {
            const NAME: &'static str = stringify!($name);
            const PLACE: Place = Place { file: file!(), line: line!() };
            type Bound = ();

            fn bind(_: &mut Link<'_>) -> Option<()> {
                Some(())
            }

            fn call<'a>((): &'a (), call: Call<'a>) -> Answer<'a> {
                $call(call)
            }
        }
    };
}

function!(Even, |call: Call<'a>| call.each(|row: &u64| Filter(row.is_multiple_of(2))));
function!(Small, |call: Call<'a>| call.each(|row: &u64| match *row {
    0..8 => Ok(Map(*row)),
    _ => Err("too large"),
}));
function!(Twice, |call: Call<'a>| call.each(|row: &u64| FlatMap(vec![*row; 2])));
function!(Picky, |call: Call<'a>| call.batch(|rows: &[u64]| {
    if rows.len() > 1 {
        call.cx().reject(0, "not the first");
    }
    Action::Reuse
}));

async fn flow(functions: &[&str]) -> Flows {
    let registry = Registry::new().function::<Even>().function::<Small>();
    let registry = registry.function::<Twice>().function::<Picky>();
    let mut conf = Conf::new();
    let mut flow = FlowConf::new("Numbers");
    for name in functions {
        conf = conf.function(FunctionConf::new(*name, Mode::Calculate));
        flow = flow.then_named(*name);
    }
    registry.link(conf.flow(flow)).await.unwrap()
}

/// A run of ten rows, in which each pick may lose a row.
async fn run(functions: &[&str], is_lost: bool) -> Report {
    let flows = flow(functions).await;
    let rows = Batch::json((0..10).map(|row: u64| row.to_string()));
    lose(is_lost);
    let report = flows.get("Numbers").unwrap().feed(rows).await;
    lose(false);
    report.unwrap()
}

async fn is_noticed(functions: &[&str]) {
    let report = run(functions, false).await;
    report.assert_balanced();
    let report = run(functions, true).await;
    assert!(!report.rows().is_balanced(), "{functions:?}: {:?}", report.rows());
}

#[tokio::test]
async fn a_row_that_is_lost_on_its_way_is_noticed() -> Result<()> {
    // Behind a filter; behind a function that rejects rows, and behind one that reuses the others.
    is_noticed(&["Even"]).await;
    is_noticed(&["Even", "Twice"]).await;
    is_noticed(&["Picky"]).await;
    is_noticed(&["Picky", "Small", "Twice"]).await;
    is_noticed(&["Twice", "Even", "Picky"]).await;
    Ok(())
}
