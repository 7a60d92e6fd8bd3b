//! Runs of flows whose functions keep state, without a source.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kisflow::{CancellationToken, LoadError, Result, prelude::*};
use tempfile::TempDir;
use tokio::sync::Semaphore;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Payment {
    card: String,
    cents: i64,
}

/// Adds the payments of a card.
#[faas("Total")]
fn total(payment: &Payment, sum: &mut i64) -> Result<Payment> {
    *sum += payment.cents;
    match payment.cents < 0 {
        true => Err("less than nothing".into()),
        false => Ok(Payment { card: payment.card.clone(), cents: *sum }),
    }
}

struct Gate {
    permits: Semaphore,
    calls: AtomicUsize,
}

/// Fails for large sums, and waits for a permit before.
#[faas("Check")]
async fn check(rows: &[Payment], gate: State<'_, Arc<Gate>>) -> Result<Vec<Payment>> {
    gate.calls.fetch_add(1, Ordering::SeqCst);
    let _permit = gate.permits.acquire().await?;
    match rows.iter().any(|row| row.cents > 1_000_000) {
        true => Err("too much".into()),
        false => Ok(rows.to_vec()),
    }
}

/// Forgets a card that is paid nothing.
#[faas("Forget")]
fn forget(payment: &Payment, last: &mut Option<i64>) -> Payment {
    let before = last.replace(payment.cents).unwrap_or(0);
    if payment.cents == 0 {
        *last = None;
    }
    Payment { cents: before, ..payment.clone() }
}

struct Bank {
    dir: TempDir,
    gate: Arc<Gate>,
}

impl Bank {
    fn new() -> Self {
        let gate = Gate { permits: Semaphore::new(1_000), calls: AtomicUsize::new(0) };
        Self { dir: TempDir::new().unwrap(), gate: Arc::new(gate) }
    }

    fn conf(&self, functions: &[&str]) -> Conf {
        let kept = self.dir.path().join("kept.redb");
        let flow =
            functions.iter().fold(FlowConf::new("Bank"), |flow, name| flow.then_named(*name));
        Conf::new()
            .flow(flow)
            .function(FunctionConf::new("Total", Mode::Calculate).key(["card"]))
            .function(FunctionConf::new("Forget", Mode::Calculate).key(["card"]))
            .connector(ConnConf::new("kept", "redb").addrs(kept.display().to_string()))
            .global(GlobalConf::default().quarantine(kisflow::QuarantineConf::on("kept")))
    }

    async fn link(&self, conf: Conf) -> Result<Flows, LoadError> {
        let registry = Registry::linked().connector::<Redb>().state(self.gate.clone());
        registry.link(conf).await
    }

    async fn flow(&self, functions: &[&str]) -> Flow {
        self.link(self.conf(functions)).await.unwrap().get("Bank").unwrap()
    }
}

fn pay(cents: impl IntoIterator<Item = i64>) -> Batch {
    let payment = |cents| Payment { card: "a".to_owned(), cents };
    cents.into_iter().map(payment).collect::<Vec<_>>().into()
}

/// What is left of the card, and of a run that adds nothing.
async fn sum(flow: &Flow) -> i64 {
    let report = flow.run(pay([0])).await.unwrap();
    report.output().rows::<Payment>().unwrap()[0].cents
}

#[tokio::test]
async fn runs_at_the_same_time_count_once_each_and_outlive_the_flow() {
    let bank = Bank::new();
    let flow = bank.flow(&["Total", "Check"]).await;
    let runs = (1..=100).map(|cents| tokio::spawn(flow.run(pay([cents, 1_000]))));
    for run in runs.collect::<Vec<_>>() {
        assert_eq!(run.await.unwrap().unwrap().rows_out(), 2);
    }
    assert_eq!(sum(&flow).await, 5_050 + 100_000);
    // A fork has the same states.
    assert_eq!(sum(&flow.fork()).await, 5_050 + 100_000);
    drop(flow);
    let flow = bank.flow(&["Total", "Check"]).await;
    assert_eq!(sum(&flow).await, 5_050 + 100_000);
}

#[tokio::test]
async fn a_run_that_fails_is_cancelled_or_dropped_leaves_the_states_as_they_were() {
    let bank = Bank::new();
    let flow = bank.flow(&["Total", "Check"]).await;
    flow.run(pay([10, 20])).await.unwrap();
    // Behind the state.
    assert!(flow.run(pay([1, 2_000_000])).await.is_err());
    assert_eq!(sum(&flow).await, 30);
    // A row that is rejected: in the function itself.
    let error = flow.run(pay([5, -1, 7])).await.unwrap_err();
    assert_eq!(error.rejected().len(), 1);
    assert_eq!(sum(&flow).await, 30);
    // While it is inside.
    bank.gate.permits.forget_permits(1_000);
    let inside = async |calls: usize| {
        while bank.gate.calls.load(Ordering::SeqCst) < calls {
            tokio::task::yield_now().await;
        }
    };
    let before = bank.gate.calls.load(Ordering::SeqCst);
    let token = CancellationToken::new();
    let cancelled = tokio::spawn(flow.run_until(pay([100]), token.clone()));
    inside(before + 1).await;
    token.cancel();
    assert!(cancelled.await.unwrap().unwrap_err().is_cancelled());
    let dropped = tokio::spawn(flow.run(pay([200])));
    inside(before + 2).await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    bank.gate.permits.add_permits(10);
    assert_eq!(sum(&flow).await, 30);
}

#[tokio::test]
async fn a_flow_that_is_fed_rejects_rows_one_by_one() {
    let bank = Bank::new();
    let flow = bank.flow(&["Total", "Check"]).await;
    let report = flow.feed(pay([5, -1, 7])).await.unwrap();
    assert_eq!((report.rows_out(), report.rejected().len()), (2, 1));
    assert_eq!(report.rejected()[0].origin(), Some(1));
    let sums = report.output().rows::<Payment>().unwrap();
    assert_eq!(sums.iter().map(|row| row.cents).collect::<Vec<_>>(), [5, 12]);
    assert_eq!(sum(&flow).await, 12);
    let report = flow.trace(pay([1])).await.unwrap();
    assert_eq!(report.visits().len(), 2);
    report.assert_balanced();
}

#[tokio::test]
async fn a_state_that_is_none_is_removed() {
    let bank = Bank::new();
    let flow = bank.flow(&["Forget"]).await;
    let before = async |cents: &[i64]| {
        let report = flow.run(pay(cents.to_vec())).await.unwrap();
        let rows = report.output().rows::<Payment>().unwrap();
        rows.iter().map(|row| row.cents).collect::<Vec<_>>()
    };
    assert_eq!(before(&[1, 2]).await, [0, 1]);
    assert_eq!(before(&[3, 0, 4]).await, [2, 3, 0]);
    assert_eq!(before(&[0]).await, [4]);
    assert_eq!(before(&[5]).await, [0]);
}

/// Jumps.
#[faas("Hop")]
fn hop(_: &[Payment]) -> Action {
    Action::Jump("Total".into())
}

#[tokio::test]
async fn what_cannot_work_is_said_before_anything_runs() {
    let bank = Bank::new();
    let said = async |conf: Conf| bank.link(conf).await.unwrap_err().to_string();
    let mut no_key = bank.conf(&["Total"]);
    no_key.functions.remove("Total");
    let no_key = no_key.function(FunctionConf::new("Total", Mode::Calculate));
    assert_eq!(
        said(no_key).await,
        "function `Total`: option.key: the function keeps state; say by which field of its rows: `option: {key: card}`, or several: `key: [origin, hour]`"
    );
    let no_state =
        bank.conf(&["Check"]).function(FunctionConf::new("Check", Mode::Calculate).key(["card"]));
    assert_eq!(
        said(no_state).await,
        "function `Check`: option.key: the function keeps no state; remove the key, or take the state of a row as a parameter: `state: &mut S` beside `row: &T`"
    );
    assert_eq!(
        said(bank.conf(&["Total", "Check", "Total"])).await,
        "flow `Bank`: flows[2].fname: function `Total` keeps state and is in the flow already, as flows[0]: both would change the same states; register the function by another name as well"
    );
    let jumps = bank
        .conf(&["Total", "Hop"])
        .function(FunctionConf::new("Hop", Mode::Calculate).jump("Total"));
    assert_eq!(
        said(jumps).await,
        "flow `Bank`: flows[1].fname: function `Hop` jumps, and `Total` of the same flow keeps state, which a row that comes again would change twice; move what jumps to a flow of its own"
    );
    let mut no_store = bank.conf(&["Total"]).global(GlobalConf::default());
    no_store.connectors.clear();
    let registry = Registry::linked().state(bank.gate.clone());
    assert_eq!(
        registry.link(no_store).await.unwrap_err().to_string(),
        "flow `Bank`: flows: nothing keeps the states of its functions; register an embedded store (`.connector::<Redb>()`), or name a connector that outlives the process as `quarantine.cname` of the global conf"
    );
    let flow = bank.flow(&["Check"]).await;
    let said = flow.append("Total").await.unwrap_err().to_string();
    assert!(said.contains("a function that keeps state cannot be appended"), "{said}");
}
