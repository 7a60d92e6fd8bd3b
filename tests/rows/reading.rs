//! Rows: every kind of bad row gets a clear cause and is accounted for, and what is good arrives.

use std::{collections::HashMap, fmt::Debug};

use kisflow::{Result, prelude::*};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Score {
    stu_id: u32,
    score: f64,
}

#[faas("Pass")]
fn pass(_: &Score) -> bool {
    true
}

#[faas("Raw")]
fn raw(_: &serde_json::Value) -> bool {
    true
}

#[faas("Odd")]
fn odd(row: &Score) -> Result<bool> {
    if row.stu_id == 13 {
        return Err("nobody has the number 13".into());
    }
    Ok(row.stu_id % 2 == 1)
}

async fn flow(conf: FlowConf) -> Flow {
    let conf = Conf::new()
        .flow(conf)
        .function(FunctionConf::new("Raw", Mode::Verify).must("stu_id").must("score"))
        .function(FunctionConf::new("Pass", Mode::Verify).must("stu_id"));
    let name = conf.flows.keys().next().unwrap().clone();
    let flows = Registry::linked().link(conf).await.unwrap();
    flows.get(&name).unwrap()
}

/// What a flow of one function says of the only bad row between two good ones: field and cause.
async fn cause(function: &str, bad: Vec<u8>) -> (Option<String>, String) {
    let good = br#"{"stu_id":1,"score":2}"#.to_vec();
    let flow = flow(FlowConf::new("Fail").then_named(function)).await;
    let error = flow.run(Batch::json([good.clone(), bad.clone(), good])).await.unwrap_err();
    error.report().assert_balanced();
    assert!(error.is_rejected() && error.rejected().len() == 1, "{error:?}");
    let reject = &error.rejected()[0];
    assert_eq!((reject.index(), reject.function(), &reject.row()[..]), (1, function, &bad[..]));
    (reject.field().map(str::to_owned), reject.cause().to_string())
}

async fn check(function: &str, bad: &str, field: Option<&str>, part: &str) {
    let (found, message) = cause(function, bad.as_bytes().to_vec()).await;
    assert_eq!(found.as_deref(), field, "{message}");
    assert!(message.contains(part), "{message}");
}

#[tokio::test]
async fn a_row_that_is_not_json_is_rejected() {
    for function in ["Pass", "Raw"] {
        check(function, "hello", None, "expected value at line 1 column 1").await;
        check(function, "{\"stu_id\":1,\"score\":2} x", None, "trailing characters").await;
        check(function, "", None, "EOF").await;
    }
}

#[tokio::test]
async fn a_row_that_is_no_object_is_rejected() {
    check(
        "Pass",
        "[]",
        None,
        "the row is no JSON object, and `must` of `Pass` demands `stu_id`: invalid type: sequence, expected an object",
    )
    .await;
    check(
        "Raw",
        "[1]",
        None,
        "the row is no JSON object, and `must` of `Raw` demands `stu_id`: invalid type: sequence, expected an object",
    )
    .await;
}

#[tokio::test]
async fn a_row_that_lacks_a_field_is_rejected_with_the_field() {
    check("Pass", r#"{"stu_id":1}"#, Some("score"), "missing field `score`").await;
    check(
        "Raw",
        r#"{"score":1}"#,
        Some("stu_id"),
        "the row has no field `stu_id`, which `must` demands",
    )
    .await;
}

#[tokio::test]
async fn a_row_with_a_wrong_type_is_rejected_with_the_field() {
    check(
        "Pass",
        r#"{"stu_id":"a","score":1}"#,
        Some("stu_id"),
        "invalid type: string \"a\", expected u32",
    )
    .await;
    check(
        "Pass",
        r#"{"stu_id":1,"score":null}"#,
        Some("score"),
        "invalid type: null, expected f64",
    )
    .await;
}

#[tokio::test]
async fn a_number_out_of_range_is_rejected_with_the_field() {
    check(
        "Pass",
        r#"{"stu_id":-1,"score":1}"#,
        Some("stu_id"),
        "invalid value: integer `-1`, expected u32",
    )
    .await;
    check("Pass", r#"{"stu_id":4294967296,"score":1}"#, Some("stu_id"), "invalid value").await;
    check("Pass", r#"{"stu_id":1,"score":1e999}"#, Some("score"), "number out of range").await;
}

#[tokio::test]
async fn a_key_twice_in_a_row_is_rejected() {
    let twice = r#"{"stu_id":1,"stu_id":2,"score":1}"#;
    check("Pass", twice, Some("stu_id"), "duplicate field `stu_id`").await;
}

#[tokio::test]
async fn nul_bytes_and_invalid_utf_8_are_rejected() {
    for function in ["Pass", "Raw"] {
        check(function, "{\"stu_id\":1,\0\"score\":1}", None, "a NUL byte").await;
        check(function, "\0\0{\"stu_id\":1,\"score\":1}", None, "a NUL byte").await;
    }
    let (_, message) = cause("Pass", b"{\"stu_id\":1,\"score\":\"\xff\"}".to_vec()).await;
    assert!(message.starts_with("not UTF-8: byte 0xFF"), "{message}");
}

#[tokio::test]
async fn a_row_nested_a_thousand_deep_is_rejected() {
    let deep = format!("{{\"stu_id\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    check("Pass", &deep, Some("stu_id"), "invalid type: sequence").await;
    let deep = format!("{{\"stu_id\":1,\"score\":{}{}}}", "[".repeat(1_000), "]".repeat(1_000));
    check("Pass", &deep, Some("score"), "invalid type: sequence").await;
    check("Raw", &deep, Some("score"), "recursion limit exceeded").await;
}

#[tokio::test]
async fn a_row_of_ten_megabytes_goes_through_and_a_bad_one_is_kept_whole_but_shown_short() {
    let pad = "x".repeat(10 << 20);
    let flow = flow(FlowConf::new("Fail").then_named("Pass")).await;
    let good = format!(r#"{{"stu_id":1,"score":2,"pad":"{pad}"}}"#);
    let report = flow.run(Batch::json([good])).await.unwrap();
    report.assert_balanced();
    assert_eq!(report.rows_out(), 1);
    let bad = format!(r#"{{"stu_id":1,"pad":"{pad}"}}"#);
    let error = flow.run(Batch::json([bad.clone()])).await.unwrap_err();
    assert_eq!(error.rejected()[0].row().len(), bad.len());
    assert!(format!("{error:?}").len() < 1_000);
}

#[tokio::test]
async fn one_bad_byte_in_an_ndjson_buffer_costs_one_row() {
    let mut buffer = b"{\"stu_id\":1,\"score\":1}\n{\"stu_id\":2,\"score\":\xff}\n\n{\"stu_id\":3,\"score\":3}\n".to_vec();
    buffer.extend_from_slice(b"{\"stu_id\":5,\"score\":5}");
    let flow =
        flow(FlowConf::new("Keep").then::<pass>().then::<odd>().on_reject(OnReject::Quarantine))
            .await;
    let report = flow.run(Batch::ndjson(buffer)).await.unwrap();
    report.assert_balanced();
    assert_eq!((report.rows_in(), report.rows_out(), report.rejected().len()), (4, 3, 1));
    assert_eq!(report.rejected()[0].index(), 1);
    assert_eq!(
        report.output().to_ndjson().unwrap(),
        "{\"stu_id\":1,\"score\":1}\n{\"stu_id\":3,\"score\":3}\n{\"stu_id\":5,\"score\":5}\n"
    );
}

#[tokio::test]
async fn quarantine_lets_the_good_rows_on_and_keeps_the_bad_ones_with_their_cause() {
    let rows = [
        r#"{"stu_id":1,"score":1,"more":"kept"}"#,
        "no json",
        r#"{"stu_id":2,"score":1}"#,
        r#"{"stu_id":13,"score":1}"#,
        r#"{"score":1}"#,
        r#"{"stu_id":7,"score":1}"#,
    ];
    let flow = flow(
        FlowConf::new("Keep")
            .then::<raw>()
            .then::<odd>()
            .then::<pass>()
            .on_reject(OnReject::Quarantine),
    )
    .await;
    let report = flow.run(Batch::json(rows)).await.unwrap();
    report.assert_balanced();
    let rejected: Vec<_> = report
        .rejected()
        .iter()
        .map(|reject| (reject.function(), reject.index(), &reject.row()[..]))
        .collect();
    // `Odd` counts within the rows that reached it: `Raw` had taken out the second and the fifth.
    assert_eq!(
        rejected,
        [
            ("Raw", 1, rows[1].as_bytes()),
            ("Raw", 4, rows[4].as_bytes()),
            ("Odd", 2, rows[3].as_bytes())
        ]
    );
    assert_eq!((report.rows().filtered, report.rows_out()), (1, 2));
    assert_eq!(
        report.output().to_ndjson().unwrap(),
        format!("{}\n{}\n", rows[0], rows[5]),
        "nothing was encoded anew"
    );
}

#[tokio::test]
async fn every_rejected_row_is_in_the_error_and_no_later_function_runs() {
    let flow = flow(FlowConf::new("Fail").then::<odd>().then::<pass>()).await;
    let rows: Vec<String> =
        [13, 1, 13].iter().map(|id| format!(r#"{{"stu_id":{id},"score":0}}"#)).collect();
    let error = flow.run(Batch::json(rows)).await.unwrap_err();
    error.report().assert_balanced();
    assert_eq!(error.to_string(), "flow `Fail`, function `Odd` rejected 2 of 3 rows");
    assert_eq!(error.rejected().iter().map(|reject| reject.index()).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(error.report().function("Pass").unwrap().calls, 0);
    assert_eq!(
        format!("{error:?}"),
        "flow `Fail`, function `Odd` rejected 2 of 3 rows: function `Odd`: row 0 is rejected: `{\"stu_id\":13,\"score\":0}`: nobody has the number 13"
    );
    assert_eq!(error.input().len(), 3, "the batch is there to be tried again");
}

#[tokio::test]
async fn no_rows_and_a_million_rows_go_through() {
    let flow = flow(FlowConf::new("Many").then::<pass>().then::<odd>()).await;
    let report = flow.run(Batch::empty()).await.unwrap();
    report.assert_balanced();
    assert_eq!((report.rows_in(), report.rows_out()), (0, 0));
    let buffer: String =
        (0..1_000_000).map(|id| format!("{{\"stu_id\":{},\"score\":1}}\n", 20 + id % 2)).collect();
    let report = flow.run(Batch::ndjson(buffer)).await.unwrap();
    report.assert_balanced();
    assert_eq!(
        (report.rows_in(), report.rows_out(), report.rows().filtered),
        (1_000_000, 500_000, 500_000)
    );
}

/// Decodes only once, or says how often.
#[derive(Debug)]
struct Counted;

static DECODED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[faas("CountedBatch")]
fn counted_batch(_: &[Counted]) -> Action {
    Action::Reuse
}

#[faas("CountedRow")]
fn counted_row(_: &Counted) -> bool {
    true
}

#[tokio::test]
async fn rows_decode_once_for_all_functions_that_read_them_as_the_same_type() {
    let flow = flow(
        FlowConf::new("Once")
            .then::<counted_batch>()
            .then::<counted_row>()
            .then::<counted_batch>()
            .then::<counted_row>(),
    )
    .await;
    let before = DECODED.load(std::sync::atomic::Ordering::Relaxed);
    flow.run(Batch::json(["{}", "{}", "{}"])).await.unwrap().assert_balanced();
    assert_eq!(DECODED.load(std::sync::atomic::Ordering::Relaxed) - before, 3);
}

/// A batch as rows of another type.
fn read<T: Row + Debug>(batch: &Batch) -> Result<kisflow::Rows<T>> {
    batch.rows::<T>()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    stu_id: u64,
    score: Option<f64>,
}

#[test]
fn a_struct_becomes_a_different_struct_with_every_bit_of_its_numbers() {
    let scores: Vec<f64> = (1..500).map(|n| 1.0 / f64::from(n) * 1e3).collect();
    let rows = scores.iter().map(|score| Score { stu_id: 1, score: *score }).collect();
    let wide = read::<Wide>(&Batch::typed(rows)).unwrap();
    assert!(wide.iter().zip(&scores).all(|(row, score)| row.score == Some(*score)));
}

#[test]
fn rows_that_have_no_json_form_are_errors_that_say_why() {
    let nan = Batch::typed(vec![Score { stu_id: 1, score: f64::NAN }]);
    let chain = |error: BoxError| kisflow::error_chain(&*error).to_string();
    assert!(
        chain(read::<Wide>(&nan).unwrap_err())
            .contains("score is NaN, which JSON has no number for")
    );
    assert!(nan.to_ndjson().unwrap_err().to_string().contains("score is NaN"));
    let keys = Batch::typed(vec![HashMap::from([((1, 2), 3)])]);
    assert!(chain(read::<Wide>(&keys).unwrap_err()).contains("key must be a string"));
    assert_eq!(read::<Score>(&nan).unwrap().len(), 1, "as its own type the row is what it is");
}

#[test]
fn rows_come_from_every_kind_of_text() {
    let text = r#"{"stu_id":1,"score":2.5}"#;
    let batches = [
        Batch::json([text]),
        Batch::json([text.to_owned()]),
        Batch::json([bytes::Bytes::from_static(text.as_bytes())]),
        Batch::json([text.as_bytes().to_vec()]),
        Batch::ndjson(text),
        Batch::ndjson(format!("\n{text}\r\n")),
    ];
    for batch in batches {
        assert_eq!(*batch.rows::<Score>().unwrap(), [Score { stu_id: 1, score: 2.5 }]);
    }
}

/// A row whose JSON is spread over lines.
#[derive(Debug)]
struct Spread(u32);

impl kisflow::Emit for Spread {
    fn encode(&self, out: &mut Vec<u8>) -> Result<()> {
        out.extend(format!("{{\n  \"stu_id\": {},\n\n  \"score\": 1\n}}", self.0).bytes());
        Ok(())
    }
}

#[test]
fn a_row_of_json_may_be_spread_over_lines() {
    let rows = read::<Score>(&Batch::typed(vec![Spread(1), Spread(2)])).unwrap();
    assert_eq!(rows.iter().map(|row| row.stu_id).collect::<Vec<_>>(), [1, 2]);
    let batch = Batch::json(["{\n\"stu_id\":1,\r\n\"score\":2}\n"]);
    assert_eq!(batch.to_ndjson().unwrap(), "{ \"stu_id\":1,  \"score\":2}\n");
}

#[tokio::test]
async fn a_list_is_no_row_of_a_struct_and_a_row_of_what_reads_lists() {
    let batch = || Batch::json(["[1,2.5]"]);
    for error in [
        chain(batch().rows::<Score>().unwrap_err()),
        chain(batch().rows::<Option<Score>>().unwrap_err()),
        chain(Batch::typed(vec![(1, 2.5)]).rows::<Score>().unwrap_err()),
    ] {
        assert!(error.contains("invalid type: sequence, expected an object"), "{error}");
    }
    assert_eq!(*batch().rows::<(u32, f64)>().unwrap(), [(1, 2.5)]);
    assert_eq!(*batch().rows::<Vec<f64>>().unwrap(), [[1.0, 2.5]]);
    assert_eq!(*batch().rows::<serde_json::Value>().unwrap(), [serde_json::json!([1, 2.5])]);
}

#[tokio::test]
async fn must_is_asked_of_values_by_the_names_that_their_json_has() {
    let run = |rows: Batch| async {
        let flow = flow(FlowConf::new("Must").then_named("Raw")).await;
        match flow.run(rows).await {
            Ok(report) => format!("{} rows", report.rows_out()),
            Err(error) => error.rejected()[0].cause().to_string(),
        }
    };
    let lacks = "the row has no field `score`, which `must` demands";
    let none = "the row is no JSON object, and `must` of `Raw` demands `stu_id`";
    for (rows, said) in [
        (Batch::typed(vec![Score { stu_id: 1, score: 2.0 }]), "1 rows"),
        (Batch::typed(vec![HashMap::from([("stu_id", 1), ("score", 2)])]), "1 rows"),
        (Batch::typed(vec![HashMap::from([("stu_id", 1)])]), lacks),
        (Batch::typed(vec![serde_json::json!({"stu_id": 1, "score": null})]), "1 rows"),
        (Batch::typed(vec![(1, 2.0)]), none),
        (Batch::text(["hello"]), none),
        (Batch::json(["hello"]), none),
        (Batch::json(["7"]), none),
        (Batch::json(["{\"stu_id\":1"]), "EOF while parsing an object"),
    ] {
        let found = run(rows).await;
        assert!(found.starts_with(said), "{found}, not {said}");
    }
}

#[test]
fn plain_text_that_is_given_as_json_is_told_what_it_is_given_as() {
    let error = chain(Batch::json(["This is text"]).rows::<String>().unwrap_err());
    assert!(error.contains("rows of plain text are given as `Batch::text`"), "{error}");
    let error = chain(Batch::json(["This is text"]).rows::<Score>().unwrap_err());
    assert!(!error.contains("Batch::text"), "{error}");
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `unwrap_err` gives")]
fn chain(error: BoxError) -> String {
    kisflow::error_chain(&*error).to_string()
}

/// How often the program's own `Deserialize` has been called.
static READ: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

struct Watched;

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        READ.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        <HashMap<String, u32>>::deserialize(from).map(|_| Self)
    }
}

impl Serialize for Watched {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

#[faas("Watch")]
fn watch(_: &Watched) -> Watched {
    Watched
}

#[faas("WatchAll")]
fn watch_all(rows: &[Watched]) -> (Vec<Watched>, Action) {
    (rows.iter().map(|_| Watched).collect(), Action::Next)
}

#[tokio::test]
async fn nothing_is_read_before_there_are_rows() {
    let read = || READ.load(std::sync::atomic::Ordering::Relaxed);
    let conf = Conf::new()
        .flow(FlowConf::new("W").then::<watch>().then::<watch_all>())
        .function(FunctionConf::new("Watch", Mode::Verify).must("a"))
        .function(FunctionConf::new("WatchAll", Mode::Verify));
    let dir = tempfile::tempdir().unwrap();
    conf.write(dir.path()).unwrap();
    let flows = Registry::linked().load(dir.path()).await.unwrap();
    let linked = Registry::linked().link(conf).await.unwrap();
    assert_eq!(read(), 0, "loading and linking read no row");
    flows.get("W").unwrap().run(Batch::json([r#"{"a":1}"#])).await.unwrap();
    drop(linked);
    assert_eq!(read(), 1, "the row, once");
}
