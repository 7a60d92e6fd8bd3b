//! Actions: what a function can ask of its flow. Each flow below is one function that asks, then
//! `Middle`, then `Last`; the line says which of them ran, and with how many rows.
//!
//! Run it: `cargo run --example actions`
//!
//! ```text
//! Abort         Abort(2)
//! Force         Force(2) Middle(0)
//! Jump          Jump(2) Last(0)
//! Nothing       Nothing(2)
//! Reuse         Reuse(2) Middle(2) Last(2)
//! ReuseAndJump  ReuseAndJump(2) Last(2)
//! ```

use kisflow::{Function, Result, prelude::*};

/// No rows and no action: the flow ends here, normally.
#[faas("Nothing")]
fn nothing(_: &[u32]) -> Action {
    Action::Next
}

/// The next function gets what this one got: for functions that only look at their rows.
#[faas("Reuse")]
fn reuse(_: &[u32]) -> Action {
    Action::Reuse
}

/// The next function runs even without rows: to close a period in which nothing came, say. `Last`
/// does not run, because `Middle` makes nothing of nothing and does not ask.
#[faas("Force")]
fn force(_: &[u32]) -> Action {
    Action::Force
}

/// The flow goes on at `Last`, which gets what `Middle` has made; as that has not run, it gets what
/// this function made: no rows. A jump may go back, too: to a second try on the same rows. The
/// flow's `jump_limit` turns a jump without end into an error.
#[faas("Jump")]
fn jump(_: &[u32]) -> Action {
    Action::Jump("Last".into())
}

/// The flow ends here, though there are rows.
#[faas("Abort")]
fn abort(rows: &[u32]) -> (Vec<u32>, Action) {
    (rows.to_vec(), Action::Abort)
}

/// Actions combine, in any order: on at `Last`, with the rows that came.
#[faas("ReuseAndJump")]
fn reuse_and_jump(_: &[u32]) -> Action {
    Action::Reuse | Action::Jump("Last".into())
}

#[faas("Middle")]
fn middle(row: &u32) -> u32 {
    *row
}

#[faas("Last")]
fn last(row: &u32) -> u32 {
    *row
}

/// `F` stands for the type that `#[faas]` puts beside each function.
fn flow<F: Function>() -> FlowConf {
    FlowConf::new(F::NAME).then::<F>().then::<middle>().then::<last>()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let conf = Conf::new()
        .flow(flow::<nothing>())
        .flow(flow::<reuse>())
        .flow(flow::<force>())
        .flow(flow::<jump>())
        .flow(flow::<abort>())
        .flow(flow::<reuse_and_jump>());
    for flow in Registry::linked().link(conf).await?.iter() {
        let report = flow.run(vec![1_u32, 2]).await?;
        let ran = report.functions().filter(|function| function.calls > 0);
        let ran: Vec<_> =
            ran.map(|ran| format!("{}({})", ran.function, ran.rows.rows_in)).collect();
        println!("{:<13} {}", flow.name(), ran.join(" "));
    }
    Ok(())
}
