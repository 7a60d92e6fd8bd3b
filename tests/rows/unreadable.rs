//! Rows that their source could not read: no function sees them, whatever it reads, and each is
//! rejected with the cause that the source gave.

use kisflow::{Answer, Call, Link, MustCheck, Place, Result, RowNotes, prelude::*};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
}

#[faas("Each")]
fn each(_: &Order) -> bool {
    true
}

#[faas("Map")]
fn map(row: &Order) -> Order {
    row.clone()
}

#[faas("Value")]
fn value(row: &serde_json::Value) -> Result<bool> {
    if row.is_object() { Ok(true) } else { Err("it was handed out".into()) }
}

#[faas("Slice")]
fn slice(rows: &[Order]) -> Vec<Order> {
    rows.to_vec()
}

#[faas("Reuse")]
fn reuse(_: &[serde_json::Value]) -> Action {
    Action::Reuse
}

#[faas("Later")]
async fn later(rows: &[Order]) -> Vec<Order> {
    rows.to_vec()
}

/// Every line is one of these.
#[derive(Clone)]
struct Line(String);

impl Row for Line {
    fn decode(row: RawRow<'_>) -> Result<Self, BoxError> {
        Ok(Self(row.text()?.to_owned()))
    }
}

#[faas("Lines")]
fn lines(row: &Line) -> Result<bool> {
    if row.0.starts_with('{') { Ok(true) } else { Err("it was handed out".into()) }
}

/// Reads no row.
struct Passes;

impl Function for Passes {
    const NAME: &'static str = "Passes";
    const PLACE: Place = Place { file: file!(), line: line!() };
    type Bound = ();

    fn bind(_: &mut Link<'_>) -> Option<()> {
        Some(())
    }

    fn call<'a>((): &'a (), call: Call<'a>) -> Answer<'a> {
        Answer::action(call, Action::Reuse)
    }
}

async fn flow(function: &str, on_reject: OnReject, must: &[&str]) -> Flow {
    let mut conf = FunctionConf::new(function, Mode::Calculate);
    for field in must {
        conf = conf.must(*field);
    }
    flow_of(conf, on_reject).await
}

async fn flow_of(conf: FunctionConf, on_reject: OnReject) -> Flow {
    let flow =
        FlowConf::new("F").then_named(conf.fname.as_str()).then::<map>().on_reject(on_reject);
    let registry = Registry::linked().function::<Passes>();
    let flows = registry.link(Conf::new().flow(flow).function(conf)).await.unwrap();
    flows.get("F").unwrap()
}

/// Four rows; the source could not read the first, the third and, though it is JSON, the last.
fn batch() -> Batch {
    let mut notes = RowNotes::new();
    notes.unreadable(3, None, "1 field, the header has 2");
    notes.unreadable(0, Some("id"), "a quote is not closed");
    notes.unreadable(2, None, "text behind a closing quote");
    notes.unreadable(2, None, "the first cause counts");
    Batch::with_notes(["\"1", r#"{"id":2}"#, "\"3\"x", "12"], notes)
}

fn causes(rejected: &[kisflow::Reject]) -> Vec<String> {
    let cause = |reject: &kisflow::Reject| {
        let row = String::from_utf8_lossy(reject.row()).into_owned();
        let (index, function) = (reject.index(), reject.function());
        format!("{index} {function} {:?} {row} {}", reject.field(), reject.cause())
    };
    rejected.iter().map(cause).collect()
}

fn expect(function: &str) -> Vec<String> {
    vec![
        format!("0 {function} Some(\"id\") \"1 a quote is not closed"),
        format!("2 {function} None \"3\"x text behind a closing quote"),
        format!("3 {function} None 12 1 field, the header has 2"),
    ]
}

#[tokio::test]
async fn no_function_sees_a_row_that_its_source_could_not_read() {
    for function in ["Each", "Map", "Value", "Slice", "Reuse", "Later", "Lines"] {
        for must in [&[][..], &["id"]] {
            let flow = flow(function, OnReject::Quarantine, must).await;
            let report = flow.run(batch()).await.unwrap();
            report.assert_balanced();
            assert_eq!((report.rows_in(), report.rows_out()), (4, 1), "{function}");
            assert_eq!(causes(report.rejected()), expect(function));
            assert_eq!(report.output().to_ndjson().unwrap(), "{\"id\":2}\n");
            let fed = flow.feed(batch()).await.unwrap();
            let origins: Vec<_> = fed.rejected().iter().map(kisflow::Reject::origin).collect();
            assert_eq!(origins, [Some(0), Some(2), Some(3)], "{function}");
        }
    }
}

#[tokio::test]
async fn such_rows_are_rejected_where_rows_that_lack_a_field_are_passed_on() {
    for function in ["Each", "Slice", "Later", "Passes"] {
        let conf = FunctionConf::new(function, Mode::Calculate).must("other");
        let conf = conf.must_check(MustCheck::Warn);
        let report = flow_of(conf, OnReject::Quarantine).await.run(batch()).await.unwrap();
        report.assert_balanced();
        assert_eq!(causes(report.rejected()), expect(function));
        assert_eq!(report.output().to_ndjson().unwrap(), "{\"id\":2}\n");
    }
}

#[tokio::test]
async fn with_on_reject_fail_the_run_fails_before_the_function_is_called() {
    for function in ["Each", "Slice", "Later"] {
        let error = flow(function, OnReject::Fail, &[]).await.run(batch()).await.unwrap_err();
        error.report().assert_balanced();
        assert!(error.is_rejected());
        assert_eq!(causes(error.rejected()), expect(function));
        assert_eq!(error.input().len(), 4);
    }
}

#[tokio::test]
async fn of_rows_that_all_cannot_be_read_no_function_is_called() {
    let mut notes = RowNotes::new();
    notes.unreadable(0, None, "no");
    let flow = flow("Reuse", OnReject::Quarantine, &[]).await;
    let report = flow.run(Batch::with_notes(["1"], notes)).await.unwrap();
    report.assert_balanced();
    assert_eq!((report.rows().rejected, report.rows_out()), (1, 0));
}

#[test]
fn a_batch_says_which_rows_cannot_be_read() {
    let batch = batch();
    assert_eq!(causes(&batch.unreadable()), expect("source"));
    let error = batch.rows::<Order>().unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "a quote is not closed");
    assert_eq!(batch.to_ndjson().unwrap(), "\"1\n{\"id\":2}\n\"3\"x\n12\n");
    assert_eq!(batch.row_text(2), "\"3\"x");
    let good = Batch::with_notes([r#"{"id":2}"#], RowNotes::new());
    assert!(good.unreadable().is_empty());
    assert_eq!(*good.rows::<Order>().unwrap(), [Order { id: 2 }]);
}
