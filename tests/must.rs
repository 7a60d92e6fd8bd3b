//! `must: reject`, `warn` and `off`: what happens to rows that lack a field of `source.must`.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly")]

#[path = "support/log.rs"]
mod log;

use std::fs;

use kisflow::{MustCheck, Verdict, error_chain, prelude::*};
use log::Log;
use serde_json::{Value, json};

/// Hands on the rows of a batch.
#[faas("Batch")]
fn batch(rows: &[Value]) -> Vec<Value> {
    rows.to_vec()
}

/// Hands on one row.
#[faas("Single")]
fn single(row: &Value) -> Value {
    row.clone()
}

#[derive(Clone, Serialize, Deserialize)]
struct Scores {
    stu_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<i64>,
}

#[faas("Average")]
fn average(row: &Scores) -> Scores {
    row.clone()
}

#[derive(Serialize, Deserialize)]
struct Graded {
    stu_id: i64,
    grade: String,
}

/// Reads fields that `Average` does not hand on.
#[faas("Grade")]
fn grade(_: &Graded) {}

#[derive(Serialize, Deserialize)]
struct Id {
    stu_id: i64,
}

#[faas("Print")]
fn print(_: &Id) {}

/// A flow of one function, with `must` where the conf has room for it.
fn conf(fname: &str, of_function: &str, of_global: &str) -> String {
    let option = |check: &str| match check {
        "" => String::new(),
        check => format!("option:\n  must: {check}\n"),
    };
    let global = |check: &str| match check {
        "" => String::new(),
        check => format!("must: {check}\n"),
    };
    format!(
        "kistype: flow\nflow_name: F\non_reject: quarantine\nflows:\n  - fname: {fname}\n---\nkistype: func\nfname: {fname}\nfmode: Verify\nsource:\n  must: [stu_id, score]\n{}---\nkistype: global\nprometheus_enable: true\n{}",
        option(of_function),
        global(of_global)
    )
}

fn write(conf: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("conf.yml"), conf).unwrap();
    dir
}

fn registry() -> Registry {
    Registry::linked().exporter(Prometheus::new())
}

async fn flows(conf: &str) -> Flows {
    registry().load(write(conf).path()).await.unwrap()
}

/// What comes of the rows, and which were rejected, with the field.
async fn run(flow: &Flow, rows: Batch) -> (Vec<Value>, Vec<(usize, String)>) {
    let report = flow.run(rows).await.unwrap();
    report.assert_balanced();
    let field = |reject: &kisflow::Reject| reject.field().unwrap_or_default().to_owned();
    let rejected = report.rejected().iter().map(|reject| (reject.index(), field(reject))).collect();
    (report.output().rows::<Value>().unwrap().to_vec(), rejected)
}

/// The same rows as text and as values of two types.
fn batches() -> [Batch; 3] {
    let rows = [json!({"stu_id": 1, "score": 2}), json!({"stu_id": 3}), json!({"score": 4})];
    let maps = Batch::typed(rows.to_vec());
    let text = Batch::ndjson(rows.map(|row| row.to_string()).join("\n"));
    let typed = [(1, Some(2)), (3, None)].map(|(stu_id, score)| Scores { stu_id, score });
    [text, maps, Batch::typed(typed.to_vec())]
}

#[tokio::test]
async fn rows_without_a_field_are_rejected_unless_the_function_or_the_global_conf_passes_them_on() {
    let reject = [("", ""), ("reject", ""), ("", "reject"), ("reject", "off"), ("reject", "warn")];
    let pass = [("warn", ""), ("off", ""), ("", "warn"), ("", "off"), ("off", "reject")];
    for fname in ["Batch", "Single"] {
        for (of_function, of_global) in reject {
            let flows = flows(&conf(fname, of_function, of_global)).await;
            for (rows, typed) in batches().into_iter().zip([false, false, true]) {
                let (rows, rejected) = run(&flows.get("F").unwrap(), rows).await;
                assert_eq!(rows, [json!({"stu_id": 1, "score": 2})], "{of_function}, {of_global}");
                let all = [(1, "score".to_owned()), (2, "stu_id".to_owned())];
                assert_eq!(rejected, all[..if typed { 1 } else { 2 }]);
            }
        }
        for (of_function, of_global) in pass {
            let flows = flows(&conf(fname, of_function, of_global)).await;
            for rows in batches() {
                let len = rows.len();
                let (rows, rejected) = run(&flows.get("F").unwrap(), rows).await;
                assert_eq!((rows.len(), rejected), (len, vec![]), "{of_function}, {of_global}");
            }
        }
    }
}

#[tokio::test]
async fn rows_that_are_no_objects_are_passed_on_too_and_the_function_judges_them() {
    let rows = || Batch::json(["7", r#"{"stu_id":1}"#]);
    for check in ["warn", "off"] {
        let (out, rejected) =
            run(&flows(&conf("Single", check, "")).await.get("F").unwrap(), rows()).await;
        assert_eq!((out, rejected), (vec![json!(7), json!({"stu_id": 1})], vec![]));
        let flows = flows(&conf("Average", check, "")).await;
        let (out, rejected) = run(&flows.get("F").unwrap(), rows()).await;
        assert_eq!((out.len(), rejected), (1, vec![(0, String::new())]));
    }
}

/// Two runs of the three rows: the lines of the log, and what the metric has counted.
async fn logged(conf: &str) -> (Vec<String>, Option<String>) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let flows = flows(conf).await;
    let [text, ..] = batches();
    for _ in 0..2 {
        run(&flows.get("F").unwrap(), text.clone()).await;
    }
    let text = log.text();
    let metrics = flows.render_metrics().unwrap();
    let count = metrics.lines().find_map(|line| {
        let line = line.strip_prefix("kisflow_function_incomplete_rows_total{")?;
        line.rsplit_once(' ').map(|(_, count)| count.to_owned())
    });
    (text.lines().map(str::to_owned).collect(), count)
}

#[tokio::test]
async fn a_warning_names_the_field_the_rows_and_the_line_of_must_and_is_not_repeated_for_each_run()
{
    let (lines, count) = logged(&conf("Batch", "warn", "off")).await;
    let [score, stu_id] = lines.as_slice() else { panic!("{lines:#?}") };
    for (line, field) in [(score, "score"), (stu_id, "stu_id")] {
        assert!(
            line.contains(" WARN ") && line.contains("the function gets rows that lack a field")
        );
        assert!(line.contains(&format!(r#"flow="F" function="Batch" field="{field}" rows=1"#)));
        assert!(line.contains("must=\"`must` of `Batch` (") && line.contains("conf.yml:11)"));
    }
    assert_eq!(count.as_deref(), Some("4"));
    for check in ["off", "reject"] {
        let (lines, count) = logged(&conf("Batch", check, "warn")).await;
        assert_eq!((lines, count.as_deref()), (vec![], Some("0")), "{check}");
    }
}

/// What `check` tells of `Average → Grade → Print`, where `Grade` and `Print` need what `Average` does
/// not hand on: problems, notes, and the verdict of each edge.
fn inspect(of_print: &str, of_global: &str) -> (Vec<String>, Vec<String>, Vec<Verdict>) {
    let conf = format!(
        "kistype: flow\nflow_name: F\nflows: [{{fname: Average}}, {{fname: Print}}]\n---\nkistype: func\nfname: Average\nfmode: Calculate\n---\nkistype: func\nfname: Print\nfmode: Expand\nsource: {{must: [stu_id, grade]}}\noption: {{{of_print}}}\n---\nkistype: global\n{of_global}\n"
    );
    let inspection = Registry::linked().inspect(write(&conf).path());
    let messages =
        |told: &[kisflow::Problem]| told.iter().map(|told| told.message.clone()).collect();
    let verdicts = inspection.edges.iter().map(|edge| edge.verdict.clone()).collect();
    (messages(&inspection.problems), messages(&inspection.notes), verdicts)
}

#[test]
fn check_reports_a_field_that_cannot_arrive_notes_it_or_looks_away() {
    let grade = || vec!["grade".to_owned()];
    for (of_print, of_global) in [("", ""), ("must: reject", "must: off")] {
        let (problems, notes, verdicts) = inspect(of_print, of_global);
        assert!(problems[0].contains("needs `grade`, which cannot arrive"), "{problems:?}");
        assert_eq!((problems.len(), notes, verdicts), (1, vec![], vec![Verdict::Missing(grade())]));
    }
    for (of_print, of_global) in [("must: warn", ""), ("", "must: warn")] {
        let (problems, notes, verdicts) = inspect(of_print, of_global);
        assert_eq!((problems, verdicts), (vec![], vec![Verdict::PassedWithout(grade())]));
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("needs `grade`, which cannot arrive from `Average`"));
        assert!(notes[0].ends_with("; with `must: warn` it gets rows without them"), "{notes:?}");
    }
    for (of_print, of_global) in [("must: off", ""), ("", "must: off"), ("must: off", "must: warn")]
    {
        assert_eq!(inspect(of_print, of_global), (vec![], vec![], vec![Verdict::Arrives]));
    }
}

#[test]
fn a_field_that_the_row_type_needs_is_a_problem_whatever_must_says() {
    for check in ["warn", "off"] {
        let conf = format!(
            "kistype: flow\nflow_name: F\nflows: [{{fname: Average}}, {{fname: Grade}}]\n---\nkistype: func\nfname: Average\nfmode: Calculate\n---\nkistype: func\nfname: Grade\nfmode: Expand\nsource: {{must: [grade]}}\noption: {{must: {check}}}\n"
        );
        let problems = Registry::linked().inspect(write(&conf).path()).problems;
        assert!(problems[0].message.contains("needs `grade`"), "{problems:?}");
    }
}

#[test]
fn rows_that_are_passed_on_do_not_have_the_field_for_certain() {
    let verdict = |check: &str| {
        let conf = format!(
            "kistype: flow\nflow_name: F\nflows: [{{fname: Keep}}, {{fname: Print}}]\n---\nkistype: func\nfname: Keep\nfmode: Verify\nsource: {{must: [stu_id]}}\noption: {{must: {check}}}\n---\nkistype: func\nfname: Print\nfmode: Expand\n"
        );
        let inspection = Registry::linked().inspect(write(&conf).path());
        inspection.edges[0].verdict.clone()
    };
    assert_eq!(verdict("reject"), Verdict::Arrives);
    for check in ["warn", "off"] {
        let Verdict::NotChecked(why) = verdict(check) else { panic!("{check}") };
        assert_eq!(why, "what the flow is fed with hides its fields");
    }
}

/// Lets every row pass.
#[faas("Keep")]
fn keep(_: &Value) -> bool {
    true
}

#[test]
fn an_unknown_word_is_a_problem_with_its_line_and_the_known_words() {
    for (of_function, of_global, expected) in [
        (
            "ignore",
            "",
            "conf.yml:13: option.must: found the text \"ignore\"; known: reject, warn, off",
        ),
        ("wran", "", "conf.yml:13: option.must: found the text \"wran\"; did you mean \"warn\"?"),
        ("[stu_id]", "", "conf.yml:13: option.must: found a list; known: reject, warn, off"),
        ("", "no", "conf.yml:15: must: found the text \"no\"; known: reject, warn, off"),
    ] {
        let dir = write(&conf("Batch", of_function, of_global));
        let error = Conf::read(dir.path()).unwrap_err();
        let told = error_chain(&error).to_string();
        let told = told.replace(&format!("{}/", dir.path().display()), "");
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn must_without_a_list_of_fields_is_a_note() {
    let conf = "kistype: flow\nflow_name: F\nflows: [{fname: Batch}]\n---\nkistype: func\nfname: Batch\nfmode: Verify\noption:\n  must: warn\n";
    let dir = write(conf);
    let inspection = Registry::linked().inspect(dir.path());
    assert_eq!(inspection.problems, []);
    let [note] = inspection.notes.as_slice() else { panic!("{:?}", inspection.notes) };
    assert_eq!((note.line, note.path.as_str()), (Some(9), "option.must"));
    assert!(note.message.contains("because `source.must` names no field"), "{note}");
}

#[test]
fn a_list_that_is_not_looked_at_may_be_of_any_length() {
    let fields: Vec<String> = (0..65).map(|field| format!("f{field}")).collect();
    let problems = |check: &str| {
        let conf = format!(
            "kistype: func\nfname: Batch\nfmode: Verify\nsource: {{must: [{}]}}\n---\nkistype: global\nmust: {check}\n",
            fields.join(", ")
        );
        Registry::linked().inspect(write(&conf).path()).problems
    };
    assert_eq!(problems("off"), []);
    assert_eq!(problems("warn")[0].message, "65 fields; the limit is 64");
}

#[test]
fn it_is_built_in_code_and_exported_too() {
    let function = FunctionConf::of::<batch>(Mode::Verify).must("stu_id");
    let mut conf = Conf::from(FlowConf::new("F").then::<batch>())
        .function(function.must_check(MustCheck::Off));
    conf.global.must = MustCheck::Warn;
    let out = tempfile::tempdir().unwrap();
    conf.write(out.path()).unwrap();
    let read = Conf::read(out.path()).unwrap();
    assert_eq!(read, conf);
    assert_eq!(read.functions["Batch"].option.must, Some(MustCheck::Off));
    assert_eq!(read.global.must, MustCheck::Warn);
}
