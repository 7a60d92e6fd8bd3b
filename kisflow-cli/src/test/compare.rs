//! What came of a test, against what it expects.

use std::collections::BTreeMap;

use kisflow_core::{Action, RawParams, RejectedConf, TestConf};

use super::{
    action,
    diff::{Difference, Line, lists},
    run::{Came, Fields, Rejected},
    value::{Json, differing, is_text_of, same},
};

/// Everything in which it is not as expected.
pub(super) fn compare(test: &TestConf, came: &Came) -> Vec<Difference> {
    let mut found = Vec::new();
    let ended = ending(test, came);
    let rejected = rejections(test, came);
    // A run that went wrong has not the rest either: that is no news.
    let wrong = ended.is_some() && came.error.is_some();
    found.extend(ended);
    found.extend(rejected);
    if !wrong {
        found.extend(asked(test, came));
        found.extend(called(test, came));
        found.extend(rows(test, came));
        found.extend(records(test, came));
    }
    found
}

/// How the run ended.
fn ending(test: &TestConf, came: &Came) -> Option<Difference> {
    let expect = &test.expect;
    let outcome = expect.outcome.as_deref();
    let differs = |key: &str, message: String| Some(Difference::new(test.place(key), message));
    match (&came.error, &expect.error) {
        (Some(error), Some(part)) if !error.contains(part.as_str()) => {
            let lines = vec![Line::Expected(part.clone()), Line::Got(error.clone())];
            let message = "the run fails with another error".to_owned();
            differs("expect.error", message).map(|difference| difference.with(lines))
        }
        (Some(error), None) if outcome != Some("failed") => {
            differs("expect.outcome", format!("the run fails: {error}"))
        }
        (None, Some(part)) => differs(
            "expect.error",
            format!("the run is to fail with \"{part}\", and is {}", came.outcome),
        ),
        _ if outcome.is_some_and(|outcome| outcome != came.outcome) => {
            let expected = outcome.unwrap_or_default();
            differs(
                "expect.outcome",
                format!("the run is to be {expected}, and is {}", came.outcome),
            )
        }
        _ => None,
    }
}

/// The rows that were rejected.
fn rejections(test: &TestConf, came: &Came) -> Option<Difference> {
    let expected: Vec<Shown<&RejectedConf>> = test.expect.rejected.iter().map(Shown).collect();
    let got: Vec<Shown<&Rejected>> = came.rejected.iter().map(Shown).collect();
    let fits = |expected: &Shown<&RejectedConf>, got: &Shown<&Rejected>| {
        let (expected, got) = (expected.0, got.0);
        expected.row.is_none_or(|row| u64::try_from(got.row).is_ok_and(|got| got == row))
            && expected.function.as_ref().is_none_or(|function| *function == got.function)
            && expected.cause.as_ref().is_none_or(|cause| got.cause.contains(cause.as_str()))
    };
    let all = expected.len() == got.len();
    if all && expected.iter().zip(&got).all(|(expected, got)| fits(expected, got)) {
        return None;
    }
    let message = match expected.len() {
        0 => "rows are rejected, and no row is expected to be",
        _ => "other rows are rejected than expected",
    };
    let lines = lists(&expected, &got, fits, |_, _| Vec::new());
    Some(Difference::new(test.place("expect.rejected"), message).with(lines))
}

/// What the function asked of its flow.
fn asked(test: &TestConf, came: &Came) -> Option<Difference> {
    let expected = action::parse(test.expect.action.as_deref()?).ok()?;
    let got = came.action.clone().unwrap_or_default();
    if expected == got {
        return None;
    }
    let line = |action: &Action| action.to_string();
    let lines = vec![Line::Expected(line(&expected)), Line::Got(line(&got))];
    let message = "the function asks for another action";
    Some(Difference::new(test.place("expect.action"), message).with(lines))
}

/// Which functions were called.
fn called(test: &TestConf, came: &Came) -> Option<Difference> {
    let expected = test.expect.calls.as_ref()?;
    if *expected == came.calls {
        return None;
    }
    let line = |calls: &[String]| match calls {
        [] => "(none)".to_owned(),
        calls => calls.join(" → "),
    };
    let lines = vec![Line::Expected(line(expected)), Line::Got(line(&came.calls))];
    Some(Difference::new(test.place("expect.calls"), "other functions are called").with(lines))
}

/// The rows that came out.
fn rows(test: &TestConf, came: &Came) -> Option<Difference> {
    let expected: Vec<Json> = test.expect.rows.as_ref()?.iter().map(Json::of).collect();
    let place = test.place("expect.rows");
    let got = match &came.rows {
        Ok(rows) => rows,
        Err(why) => return Some(Difference::new(place, format!("the rows are no JSON: {why}"))),
    };
    if expected.len() == got.len() && expected.iter().zip(got).all(|(one, other)| same(one, other))
    {
        return None;
    }
    Some(Difference::new(place, "other rows come out").with(lists(&expected, got, same, differing)))
}

/// The records that are there afterwards.
fn records(test: &TestConf, came: &Came) -> Vec<Difference> {
    let mut found = Vec::new();
    for (cname, expected) in &test.expect.records {
        for (id, expected) in expected {
            let got = came.records.get(cname).and_then(|records| records.get(id)?.as_ref());
            let place = test.place(&format!("expect.records.{cname}.{id}"));
            found.extend(record(place, (cname, id), expected, got));
        }
    }
    found
}

/// One record: with at least the fields that are expected.
fn record(
    place: String,
    (cname, id): (&str, &str),
    expected: &RawParams,
    got: Option<&Fields>,
) -> Option<Difference> {
    let line = |fields: BTreeMap<String, Json>| Json::Map(fields).to_string();
    let expected: BTreeMap<String, Json> =
        expected.iter().map(|(name, value)| (name.clone(), Json::of(value))).collect();
    let Some(got) = got else {
        let message = format!("connector `{cname}` has no record `{id}`");
        return Some(
            Difference::new(place, message).with(vec![Line::Expected(line(expected.clone()))]),
        );
    };
    let text = |name: &str| got.get(name).map(String::as_str);
    let differs = |(name, value): &(&String, &Json)| !is_text_of(value, text(name));
    let differing: Vec<(&String, &Json)> = expected.iter().filter(differs).collect();
    if differing.is_empty() {
        return None;
    }
    let note = |(name, value): &(&String, &Json)| match text(name) {
        Some(text) => Line::Note(format!("{name}: expected {value}, got {}", as_value(text))),
        None => Line::Note(format!("{name}: expected {value}, and it is not there")),
    };
    let all = got.iter().map(|(name, text)| (name.clone(), as_value(text))).collect();
    let mut lines = vec![Line::Expected(line(expected.clone())), Line::Got(line(all))];
    lines.extend(differing.iter().map(note));
    let message = format!("record `{id}` of connector `{cname}` is another");
    Some(Difference::new(place, message).with(lines))
}

/// The text of a field as it would be written in the test.
fn as_value(text: &str) -> Json {
    Json::parse(text).unwrap_or_else(|_| Json::Text(text.to_owned()))
}

/// Shows its value as JSON on one line.
struct Shown<T>(T);

impl<T: serde::Serialize> std::fmt::Display for Shown<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&serde_json::to_string(&self.0).unwrap_or_default())
    }
}
