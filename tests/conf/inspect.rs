//! What is said of a conf before anything connects: whether the fields that a function needs arrive.

use std::fs;

use kisflow::{HandsOn, Inspection, Memory, RowType, Verdict, prelude::*};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
struct Scores {
    stu_id: u32,
    score_1: f64,
    score_2: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Average {
    stu_id: u32,
    avg: f64,
}

/// Reads what `Average` does not have.
#[derive(Serialize, Deserialize)]
struct Graded {
    stu_id: u32,
    grade: String,
    #[serde(default)]
    remark: String,
}

/// Is read under other names than it is written.
#[derive(Serialize, Deserialize)]
struct Renamed {
    #[serde(rename(deserialize = "in", serialize = "out"))]
    value: u32,
}

#[derive(Serialize, Deserialize)]
struct Out {
    out: u32,
}

/// Can only be written.
#[derive(Serialize)]
struct Written {
    stu_id: u32,
}

/// Lives for ever, so that it can be read from nothing that does not.
#[derive(Serialize, Deserialize)]
struct Sign {
    sign: &'static str,
}

#[derive(Serialize, Deserialize)]
struct Id {
    stu_id: u32,
}

#[faas]
fn keep(row: &Scores) -> bool {
    row.score_1 > 0.0 || row.score_2.is_some()
}

#[faas]
fn average(row: &Scores) -> Average {
    Average { stu_id: row.stu_id, avg: row.score_1 }
}

#[faas]
fn grade(row: &Graded) -> Graded {
    Graded { stu_id: row.stu_id, grade: row.grade.clone(), remark: row.remark.clone() }
}

#[faas]
fn average_or_scores(rows: &[Scores]) -> (Vec<Average>, Action) {
    (rows.iter().map(average).collect(), Action::Reuse)
}

#[faas]
fn anything(_row: &Value) -> Value {
    Value::Null
}

#[faas]
fn written(row: &Average) -> Written {
    Written { stu_id: row.stu_id }
}

#[faas]
fn rename(row: &Renamed) -> Renamed {
    Renamed { value: row.value }
}

#[faas]
fn out(row: &Out) -> Out {
    Out { out: row.out }
}

#[faas]
fn id(row: &Id) -> Id {
    Id { stu_id: row.stu_id }
}

#[faas]
fn sign(row: &Average) -> Sign {
    Sign { sign: word(row) }
}

#[faas]
fn word(row: &Average) -> &'static str {
    if row.avg < 0.0 { "minus" } else { "plus" }
}

#[faas]
fn jumper(_rows: &[Average]) -> Action {
    Action::Jump("grade".into())
}

#[faas]
fn end(_row: &Average) {}

/// Looks at one flow of these functions; `more` is further conf.
fn inspect(functions: &[&str], more: &str) -> Inspection {
    let dir = tempfile::tempdir().unwrap();
    let steps: String = functions.iter().map(|fname| format!("  - fname: {fname}\n")).collect();
    let flow = format!("kistype: flow\nflow_name: F\nflows:\n{steps}");
    fs::write(dir.path().join("flow.yml"), flow).unwrap();
    for fname in functions.iter().filter(|fname| !more.contains(&format!("fname: {fname}\n"))) {
        let func = format!("kistype: func\nfname: {fname}\nfmode: Calculate\n");
        fs::write(dir.path().join(format!("{fname}.yml")), func).unwrap();
    }
    if !more.is_empty() {
        fs::write(dir.path().join("more.yml"), more).unwrap();
    }
    Registry::linked().connector::<Memory>().inspect(dir.path())
}

/// Each edge as `from → to: verdict`.
#[track_caller]
fn check_with(functions: &[&str], more: &str, expected: &[&str]) {
    let inspection = inspect(functions, more);
    let verdict = |verdict: &Verdict| match verdict {
        Verdict::Arrives => "arrives".to_owned(),
        Verdict::Missing(fields) => format!("missing {}", fields.join(", ")),
        Verdict::NotChecked(why) => format!("not checked: {why}"),
        other => panic!("{other:?}"),
    };
    let name = |at: usize| functions[at];
    let edge = |edge: &kisflow::Edge| {
        let arrow = if edge.jump { "⇢" } else { "→" };
        format!("{} {arrow} {}: {}", name(edge.from), name(edge.to), verdict(&edge.verdict))
    };
    let edges: Vec<String> = inspection.edges.iter().map(edge).collect();
    assert_eq!(edges, expected, "{:?}", inspection.problems);
    let missing = edges.iter().filter(|edge| edge.contains(": missing")).count();
    assert_eq!(inspection.problems.len(), missing, "{:?}", inspection.problems);
}

#[track_caller]
fn check(functions: &[&str], expected: &[&str]) {
    check_with(functions, "", expected);
}

#[test]
fn fields_that_are_handed_on_arrive() {
    check(&["average", "id"], &["average → id: arrives"]);
    check(&["average", "end"], &["average → end: arrives"]);
}

#[test]
fn a_field_that_cannot_arrive_is_missing_but_not_one_with_a_default() {
    check(&["average", "grade"], &["average → grade: missing grade"]);
}

#[test]
fn a_missing_field_is_told_with_both_places_and_the_line_of_the_conf() {
    let inspection = inspect(&["average", "grade"], "");
    let [problem] = inspection.problems.as_slice() else { panic!("{:?}", inspection.problems) };
    let message = &problem.message;
    assert_eq!((problem.line, problem.path.as_str()), (Some(5), "flows[1].fname"));
    assert!(message.starts_with("`grade` (tests/conf/inspect.rs:"), "{message}");
    assert!(
        message
            .contains("needs `grade`, which cannot arrive from `average` (tests/conf/inspect.rs:"),
        "{message}"
    );
    assert!(message.ends_with("hands on `Average` with stu_id, avg"), "{message}");
}

#[test]
fn rows_that_pass_keep_their_fields() {
    check(
        &["average", "id", "id", "end"],
        &["average → id: arrives", "id → id: arrives", "id → end: missing avg"],
    );
    check(&["average", "jumper", "id"], &["average → jumper: arrives", "jumper → id: arrives"]);
    // What a flow is fed with hides its fields, but not those that `keep` needs.
    check(&["keep", "id"], &["keep → id: arrives"]);
    check(
        &["keep", "grade"],
        &["keep → grade: not checked: what the flow is fed with hides its fields"],
    );
}

#[test]
fn a_function_that_may_hand_on_its_input_gives_both() {
    check(&["average_or_scores", "end"], &["average_or_scores → end: arrives"]);
    check(
        &["average_or_scores", "grade"],
        &["average_or_scores → grade: not checked: what the flow is fed with hides its fields"],
    );
}

#[test]
fn a_type_that_hides_its_fields_is_not_guessed_at() {
    check(
        &["average", "anything", "id"],
        &[
            "average → anything: not checked: `anything` reads `Value`, which does not say what it needs",
            "anything → id: not checked: `anything` hands on `Value`, which hides its fields",
        ],
    );
    check(
        &["average", "written", "end"],
        &[
            "average → written: arrives",
            "written → end: not checked: `written` hands on `Written`, which hides its fields",
        ],
    );
}

#[test]
fn a_type_that_is_written_with_other_names_than_it_is_read_with_is_no_false_alarm() {
    check(&["rename", "rename"], &["rename → rename: arrives"]);
    check(&["rename", "out"], &["rename → out: arrives"]);
    check(&["out", "rename"], &["out → rename: missing in"]);
}

#[test]
fn rows_of_the_very_type_that_is_read_arrive_though_it_hides_its_fields() {
    check(&["anything", "anything"], &["anything → anything: arrives"]);
}

#[test]
fn a_type_that_lives_for_ever_says_its_fields_as_well() {
    check(&["sign", "id"], &["sign → id: missing stu_id"]);
    check(
        &["word", "id"],
        &["word → id: not checked: `word` hands on `&str`, which hides its fields"],
    );
}

#[test]
fn nothing_arrives_from_a_function_that_hands_on_nothing() {
    check(&["end", "grade"], &[]);
}

#[test]
fn a_must_field_has_to_arrive_as_well() {
    let must = "kistype: func\nfname: id\nfmode: Verify\nsource: {must: [stu_id, school]}\n";
    check_with(&["average", "id"], must, &["average → id: missing school"]);
}

#[test]
fn a_jump_ahead_is_an_edge_of_its_own() {
    let jump = "kistype: func\nfname: jumper\nfmode: Calculate\noption: {jump: [grade]}\n";
    check_with(
        &["average", "jumper", "id", "grade"],
        jump,
        &[
            "average → jumper: arrives",
            "jumper → id: arrives",
            "id → grade: missing grade",
            "jumper ⇢ grade: missing grade",
        ],
    );
}

#[test]
fn a_jump_back_finds_what_the_function_before_its_target_made() {
    let jump = "kistype: func\nfname: jumper\nfmode: Calculate\noption: {jump: [average]}\n";
    check_with(&["average", "jumper"], jump, &["average → jumper: arrives"]);
}

#[test]
fn what_a_jump_ahead_left_out_may_have_been_made_in_an_earlier_round() {
    let jumps = "\
kistype: func
fname: jumper
fmode: Calculate
option: {jump: [grade]}
---
kistype: func
fname: id
fmode: Calculate
option: {jump: [average]}
";
    check_with(
        &["average", "jumper", "rename", "id", "grade"],
        jumps,
        &[
            "average → jumper: arrives",
            "jumper → rename: missing in",
            "rename → id: missing stu_id",
            "id → grade: missing grade",
            "jumper ⇢ grade: missing grade",
        ],
    );
    check_with(
        &["average", "jumper", "grade", "id", "end"],
        &jumps.replace("[grade]", "[end]"),
        &[
            "average → jumper: arrives",
            "jumper → grade: missing grade",
            "grade → id: arrives",
            "id → end: missing avg",
            "jumper ⇢ end: arrives",
        ],
    );
}

#[test]
fn rows_that_come_in_a_great_many_ways_are_looked_at_all_the_same() {
    let names: Vec<String> = (0..40).map(|number| format!("Keep{number}")).collect();
    let conn = "kistype: conn\ncname: C\ntype: memory\n";
    let mut conf = conn.to_owned();
    for (at, name) in names.iter().enumerate() {
        let jump = names.get(at + 2..).unwrap_or_default().join(", ");
        conf += &format!(
            "---\nkistype: func\nfname: {name}\nfmode: Save\noption: {{cname: C, jump: [{jump}], default_params: {{id: stu_id}}}}\n"
        );
    }
    let functions: Vec<&str> =
        ["average"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let inspection = inspect(&functions, &conf);
    assert!(inspection.problems.is_empty(), "{:?}", inspection.problems);
    // From each to the next, and to all behind that.
    assert_eq!(inspection.edges.len(), 1 + 39 + 38 * 39 / 2);
}

#[test]
fn save_and_load_without_code_need_and_add_what_their_params_say() {
    let conf = "\
kistype: conn
cname: C
type: memory
---
kistype: func
fname: Keep
fmode: Save
option: {cname: C, default_params: {id: stu_id, fields: [avg, weight]}}
---
kistype: func
fname: Find
fmode: Load
option: {cname: C, default_params: {id: stu_id, fields: {g: grade}}}
---
kistype: func
fname: FindAll
fmode: Load
option: {cname: C, default_params: {id: stu_id}}
";
    check_with(
        &["average", "Keep", "Find", "grade"],
        conf,
        &["average → Keep: missing weight", "Keep → Find: arrives", "Find → grade: arrives"],
    );
    check_with(
        &["average", "FindAll", "grade"],
        conf,
        &[
            "average → FindAll: arrives",
            "FindAll → grade: not checked: `FindAll` adds every field of its records",
        ],
    );
}

#[test]
fn functions_say_what_they_read_and_hand_on() {
    let inspection = inspect(&["average", "id"], "");
    let function =
        |name: &str| inspection.functions.iter().find(|function| function.name == name).unwrap();
    let of = |rows: &RowType| rows.to_string();
    assert_eq!(
        function("average").reads.as_ref().map(of).unwrap(),
        "Scores {stu_id, score_1, score_2}"
    );
    assert_eq!(function("average").reads.as_ref().unwrap().required, ["stu_id", "score_1"]);
    assert_eq!(function("average").hands_on.to_string(), "Average {stu_id, avg}");
    assert_eq!(function("keep").hands_on, HandsOn::Passed);
    assert_eq!(function("end").hands_on, HandsOn::Nothing);
    assert_eq!(
        function("average_or_scores").hands_on.to_string(),
        "Average {stu_id, avg}, or the rows it was given"
    );
    assert_eq!(function("anything").hands_on.to_string(), "Value");
    assert_eq!(function("average").place.file, "tests/conf/inspect.rs");
}
