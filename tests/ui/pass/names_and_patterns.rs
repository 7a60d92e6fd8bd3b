//! A function may have any name and take its row apart; it may stand within another.

use kisflow::prelude::*;

#[derive(Serialize, Deserialize)]
pub(crate) struct Point {
    x: f64,
    y: f64,
}

#[faas]
pub(crate) fn r#move(&Point { x, y }: &Point) -> Point {
    Point { x: x + 1.0, y }
}

#[faas]
fn rows(rows: &[Point]) -> Vec<f64> {
    rows.iter().map(|point| point.x).collect()
}

#[faas]
async fn call(mut bound: &[Point], cx: Cx<'_>) -> Action {
    bound = bound.get(1..).unwrap_or_default();
    if bound.is_empty() || cx.is_cancelled() { Action::Abort } else { Action::Reuse }
}

#[test]
fn functions_are_called_and_named_like_any_other() {
    #[faas("Inner")]
    fn inner(point: &Point) -> bool {
        point.x > 0.0
    }

    assert!(inner(&r#move(&Point { x: 0.0, y: 0.0 })));
    let flow =
        FlowConf::new("Names").then::<r#move>().then::<rows>().then::<call>().then::<inner>();
    assert_eq!(flow.flows[0].fname, "move");
}
