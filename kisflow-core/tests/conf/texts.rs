//! What stands in a conf file is what is meant: the text of a name, a key or a param stays as it was
//! written, a number is exactly that number, and what cannot be read is told in the file's own words.

use std::time::Duration;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    fs,
    path::Path,
};

use kisflow_core::{Conf, ParamError, RawParam, RawParams};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tempfile::TempDir;

fn dir(text: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.yml"), text).unwrap();
    dir
}

fn problems(dir: &Path) -> Vec<String> {
    let error = Conf::read(dir).unwrap_err();
    let prefix = format!("{}/", dir.display());
    error.problems().iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

/// The problems of one file.
#[track_caller]
fn check(text: &str, expect: &[&str]) {
    assert_eq!(problems(dir(text).path()), expect, "{text}");
}

/// Params from a file.
fn params(text: &str) -> RawParams {
    let indented = text.replace('\n', "\n  ");
    let file = format!("kistype: conn\ncname: C\ntype: memory\nparams:\n  {indented}\n");
    let mut conf = Conf::read(dir(&file).path()).unwrap();
    conf.connectors.remove("C").unwrap().params
}

/// One param, read as a type.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, ParamError> {
    #[derive(Deserialize)]
    struct One<T> {
        p: T,
    }
    params(&format!("p: {text}")).read::<One<T>>().map(|one| one.p)
}

const LOOK_LIKE_NUMBERS: [&str; 20] = [
    "2026_11",
    "0x1F",
    "0o17",
    "0b11",
    "007",
    "0755",
    "01234",
    "1.10",
    "+5",
    "-5",
    "1_000",
    "1e3",
    "12345678901234567890123",
    "True",
    "no",
    "~5",
    ".5",
    "5.",
    "2026-11-27",
    "12:30",
];

#[test]
fn a_name_a_key_and_a_field_are_the_text_of_the_file() {
    for text in LOOK_LIKE_NUMBERS {
        let file = format!(
            "kistype: func\nfname: {text}\nfmode: Save\nsource: {{name: {text}, must: [{text}, \"{text}\"]}}\noption:\n  cname: {text}\n  jump: [{text}]\n  default_params: {{{text}: {text}}}\n---\nkistype: flow\nflow_name: {text}\nsource: {text}\nflows: [{{fname: {text}}}]\n---\nkistype: conn\ncname: {text}\ntype: {text}\naddrs: {text}\nkey: {text}\nsave: [{text}]\n---\nkistype: source\nsname: {text}\ntype: {text}\nkey: {text}\ngroup: {text}\nstart: {text}\nordered: {{key: {text}}}\n"
        );
        let conf = Conf::read(dir(&file).path()).unwrap();
        let function = &conf.functions[text];
        assert_eq!(function.source.must, [text, text]);
        assert_eq!(function.option.cname.as_deref(), Some(text));
        assert_eq!(function.option.jump, [text]);
        assert_eq!(function.option.default_params.get(text).unwrap().as_str(), Some(text));
        assert_eq!(conf.flows[text].flows[0].fname, text);
        assert_eq!((&*conf.connectors[text].addrs, &*conf.connectors[text].key), (text, text));
        assert_eq!(conf.connectors[text].save, [text]);
        assert_eq!((&*conf.sources[text].key, &*conf.sources[text].group), (text, text));
        let out = tempfile::tempdir().unwrap();
        conf.write(out.path()).unwrap();
        assert_eq!(Conf::read(out.path()).unwrap(), conf, "{text}");
    }
}

#[test]
fn a_param_is_given_as_the_text_or_the_number_that_is_asked_for() {
    #[track_caller]
    #[allow(clippy::needless_pass_by_value, reason = "callers write what is expected in place")]
    fn check<T: DeserializeOwned + PartialEq + Debug>(text: &str, expect: T) {
        assert_eq!(read::<T>(text).unwrap(), expect, "{text}");
    }
    for text in LOOK_LIKE_NUMBERS {
        check(text, text.to_owned());
        check(text, Some(text.to_owned()));
        check(&format!("[{text}]"), vec![text.to_owned()]);
        check(&format!("{{{text}: {text}}}"), HashMap::from([(text.to_owned(), text.to_owned())]));
    }
    check("0x1F", 31_u8);
    check("0o17", 15_u32);
    check("+5", 5_u32);
    check("-5", -5_i8);
    check("\"5\"", 5_u32);
    check("'0.25'", 0.25_f64);
    check("18446744073709551615", u64::MAX);
    check("12345678901234567890123", 12_345_678_901_234_567_890_123_u128);
    check("-170141183460469231731687303715884105728", i128::MIN);
    check("340282366920938463463374607431768211455", u128::MAX);
    check("1.10", 1.1_f64);
    check("1.10", 1.1_f32);
    check("1e3", 1_000.0_f64);
    check(".inf", f64::INFINITY);
    check("12345678901234567890123", 1.234_567_890_123_456_8e22_f64);
    check("True", true);
    check("yes", true);
    check("OFF", false);
    check("y", true);
    check("N", false);
    check("\"no\"", false);
    check("5", '5');
    check("", None::<u32>);
    check("~", None::<String>);
    check("[1, 0x2]", (1_u8, 2_u64));
    check("{007: 1}", BTreeMap::from([("007".to_owned(), 1)]));
    check("1.10", serde_json::json!(1.1));
    check("0x1F", serde_json::json!(31));
    check("007", serde_json::json!("007"));
    check("12345678901234567890123", serde_json::json!("12345678901234567890123"));
    check("{a: [1, yes, x], b: ~}", serde_json::json!({"a": [1, "yes", "x"], "b": null}));
}

#[test]
fn types_that_take_anything_get_numbers_and_texts() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(f64),
        Text(String),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        name: String,
        #[serde(flatten)]
        inner: Inner,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        zip: String,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Kind {
        Plain,
        #[serde(rename = "0x1F")]
        Hex,
        Sized(u32),
        Named {
            size: String,
        },
    }
    assert_eq!(read::<Either>("1.10").unwrap(), Either::Number(1.1));
    assert_eq!(read::<Either>("01234").unwrap(), Either::Text("01234".to_owned()));
    assert_eq!(
        read::<Vec<Kind>>("[Plain, 0x1F, {Sized: 0x10}, {Named: {size: 1.10}}]").unwrap(),
        [Kind::Plain, Kind::Hex, Kind::Sized(16), Kind::Named { size: "1.10".to_owned() }]
    );
    for zip in ["01234", "5", "1.10", "true"] {
        let outer: Outer = params(&format!("name: 1_000\nzip: {zip}")).read().unwrap();
        assert_eq!(outer.name, "1_000");
        assert_eq!(outer.inner.zip, zip);
    }
    let again: RawParams = params("a: {b: [1.10, \"1.10\"]}").read().unwrap();
    assert_eq!(again, params("a: {b: [1.10, \"1.10\"]}"));
    assert_ne!(again, params("a: {b: [\"1.10\", \"1.10\"]}"));
}

#[test]
fn a_number_that_cannot_be_had_is_told_as_it_was_written() {
    #[track_caller]
    fn check<T: DeserializeOwned + Debug>(text: &str, expect: &str) {
        assert_eq!(read::<T>(text).unwrap_err().to_string(), expect, "{text}");
    }
    let zero = |text: &str, write: &str| {
        format!(
            "p: `{text}` has a leading zero, which some YAML readers take for octal; write `{write}`"
        )
    };
    check::<u32>("007", &zero("007", "7"));
    check::<u32>("\"010\"", &zero("010", "10"));
    check::<f64>("01.50", &zero("01.50", "1.50"));
    check::<u32>("1.10", "p: invalid type: floating point `1.10`, expected u32");
    check::<u32>("1_000", "p: invalid type: string \"1_000\", expected u32");
    check::<u32>("ten", "p: invalid type: string \"ten\", expected u32");
    check::<u32>("-1", "p: invalid value: integer `-1`, expected u32");
    check::<u8>("0x1FF", "p: invalid value: integer `0x1FF`, expected u8");
    check::<u64>(
        "12345678901234567890123",
        "p: invalid value: integer `12345678901234567890123`, expected u64",
    );
    check::<u128>(
        &"9".repeat(40),
        &format!("p: invalid value: integer `{}`, expected u128", "9".repeat(40)),
    );
    check::<bool>("1", "p: invalid type: integer `1`, expected a boolean");
    check::<u32>("[1]", "p: invalid type: sequence, expected u32");
    check::<String>("[1]", "p: invalid type: sequence, expected a string");
    check::<String>("", "p: invalid type: unit value, expected a string");
    check::<HashMap<String, u32>>(
        "{password: [hunter2]}",
        "p.password: the value does not fit; it is a secret and not shown",
    );
}

#[test]
fn a_duration_is_written_with_units_or_as_milliseconds() {
    let file = "kistype: source\nsname: S\ntype: file\nbatch: {wait_ms: 1s}\nretry_duration: 1m30s\n---\nkistype: func\nfname: F\nfmode: Verify\noption: {timeout: 5s, retry_duration: 250}\n---\nkistype: func\nfname: G\nfmode: Verify\noption: {return_duration: 2s}\n---\nkistype: global\ngrace_ms: 1h\nquarantine: {max_age_ms: 7d}\nwaiting: {hold_ms: 2s, max_wait_ms: 1h}\n";
    let conf = Conf::read(dir(file).path()).unwrap();
    assert_eq!(
        (conf.sources["S"].batch.wait, conf.sources["S"].retry_duration),
        (Duration::from_secs(1), Duration::from_secs(90))
    );
    let option = |name: &str| &conf.functions[name].option;
    assert_eq!(
        (option("F").timeout, option("F").retry_duration),
        (Some(Duration::from_secs(5)), Some(Duration::from_millis(250)))
    );
    assert_eq!(option("G").retry_duration, Some(Duration::from_secs(2)));
    assert_eq!(conf.global.grace, Duration::from_secs(3_600));
    assert_eq!(conf.global.quarantine.max_age, Some(Duration::from_secs(604_800)));
    let waiting = &conf.global.waiting;
    assert_eq!((waiting.hold.as_secs(), waiting.max_wait.as_secs()), (2, 3_600));
    let expected =
        "expected milliseconds or a duration such as `250ms`, `5s`, `1m30s`, `7d`, found";
    check(
        "kistype: func\nfname: F\nfmode: Verify\noption:\n  timeout: 5 sec\n  retry_duration: [1]\n---\nkistype: global\ngrace_ms: -1s\n",
        &[
            &format!(
                "x.yml:5: option.timeout: {expected} the text \"5 sec\": there is no unit behind `5`"
            ),
            &format!("x.yml:6: option.retry_duration: {expected} a list"),
            &format!("x.yml:9: grace_ms: {expected} `-1s`: it is negative"),
        ],
    );
    #[derive(Debug, Deserialize)]
    struct Times {
        lease_ms: u64,
        pause_ms: Option<u32>,
        count: Option<u64>,
    }
    let times: Times = params("lease_ms: 1m30s\npause_ms: \"250\"\ncount: 5").read().unwrap();
    assert_eq!((times.lease_ms, times.pause_ms, times.count), (90_000, Some(250), Some(5)));
    let why = |text: &str| params(text).read::<Times>().unwrap_err().to_string();
    assert_eq!(
        why("lease_ms: 1h30"),
        format!("lease_ms: {expected} \"1h30\": there is no unit behind `30`")
    );
    assert_eq!(why("lease_ms: 1\npause_ms: 50d"), "pause_ms: \"50d\" is too long");
    assert!(why("lease_ms: 1\ncount: 5s").contains("invalid type: string \"5s\", expected u64"));
}

#[test]
fn a_raw_param_has_its_text_and_what_the_text_says() {
    let params = params(
        "zip: 01234\norder: 12345678901234567890123\nversion: 1.10\ncode: 1_000\ncolour: 0x1F\nflag: yes\nlist: [007]\nnothing:\nquoted: \"5\"",
    );
    let text = |name: &str| params.get(name).unwrap().as_str();
    assert_eq!(text("zip"), Some("01234"));
    assert_eq!(text("order"), Some("12345678901234567890123"));
    assert_eq!(text("version"), Some("1.10"));
    assert_eq!(text("code"), Some("1_000"));
    assert_eq!(text("colour"), Some("0x1F"));
    assert_eq!(params["colour"].to_string(), "0x1F");
    assert_eq!(params["colour"].as_u64(), Some(31));
    assert_eq!(params["zip"].as_u64(), None);
    assert_eq!(params["version"].as_f64(), Some(1.1));
    assert_eq!(params["quoted"].as_i64(), Some(5));
    assert_eq!(params["flag"].as_bool(), Some(true));
    assert_eq!(params["list"].as_list().unwrap()[0].as_str(), Some("007"));
    assert_eq!(params["list"].to_string(), "[\"007\"]");
    assert!(text("nothing").is_none() && params["nothing"].is_null());
    assert!(params.get("none").is_none() && params["none"].is_null());
    assert_eq!(RawParam::from(Value::from(5)).as_str(), Some("5"));
}

#[test]
fn a_mistake_is_told_in_the_words_of_the_file_and_at_its_line() {
    let conn = "kistype: conn\ncname: C\ntype: memory\n";
    check(
        &format!("{conn}params:\n  a: 1\n  ~: 5\n"),
        &[
            "x.yml:6: the YAML does not parse: the key `~` stands for nothing; write \"~\" if it is a text",
        ],
    );
    check(
        &format!("{conn}params:\n  null: 5\n  : 6\n"),
        &[
            "x.yml:5: the YAML does not parse: the key `null` stands for nothing; write \"null\" if it is a text",
            "x.yml:6: the YAML does not parse: there is no key before this `:`",
        ],
    );
    check(
        &format!("{conn}params:\n  ? [a]\n  : 5\n"),
        &["x.yml:5: the YAML does not parse: a key is a text, found a list"],
    );
    check(
        &format!("{conn}params:\n\ta: 5\n"),
        &[
            "x.yml:5: the YAML does not parse: a tab stands where YAML takes only spaces; indent with spaces",
        ],
    );
    check(
        "kistype: source\nsname: S\ntype: file\nin_flight: 007\nretry_times: 1_000\nbatch: {rows: 1.10}\nisolate: 1\n",
        &[
            "x.yml:4: in_flight: expected a whole number from 0, found `007`, whose leading zero some YAML readers take for octal; write `7`",
            "x.yml:5: retry_times: expected a whole number from 0, found `1_000`",
            "x.yml:6: batch.rows: expected a whole number from 0, found `1.10`",
            "x.yml:7: isolate: expected true or false, found `1`",
        ],
    );
}

#[test]
fn a_broken_document_hides_no_other() {
    check(
        "kistype: conn\ncname: [a\n---\nkistype: flwo\n---\nkistype: conn\ncname: C\ncname: D\nkey: a\nkey: b\n",
        &[
            "x.yml:2: the YAML does not parse: unclosed bracket '['",
            "x.yml:4: kistype: unknown kistype the text \"flwo\"; did you mean \"flow\"?",
            "x.yml:8: the YAML does not parse: duplicate mapping key: cname",
            "x.yml:10: the YAML does not parse: duplicate mapping key: key",
        ],
    );
}

#[test]
fn a_name_with_a_line_end_or_blanks_at_its_ends_is_a_problem() {
    let named = |name: &str| format!("kistype: conn\ncname: {name}\ntype: memory\n");
    let end = |name: &str| {
        format!(
            "x.yml:2: cname: the name {name:?} has a line end or a control character; leave it out"
        )
    };
    let blank = |name: &str| {
        format!(
            "x.yml:2: cname: the name {name:?} has a blank at its beginning or end; leave it out"
        )
    };
    check(&named("\"a\\nb\""), &[&end("a\nb")]);
    check(&named("|\n  a"), &[&end("a\n")]);
    check(&named("\"a\\u2028b\""), &[&end("a\u{2028}b")]);
    check(&named("\"a\\tb\""), &[&end("a\tb")]);
    check(&named("\" a\""), &[&blank(" a")]);
    check(&named("'a '"), &[&blank("a ")]);
    check(
        "kistype: flow\nflow_name: F\nflows:\n  - fname: \"a\\n\"\n",
        &[
            "x.yml:4: flows[0].fname: the name \"a\\n\" has a line end or a control character; leave it out",
        ],
    );
}

#[test]
fn anchors_merges_and_tags_are_read() {
    let file = "kistype: conn\ncname: C\ntype: memory\nparams:\n  base: &base {a: 0x1F, b: 1}\n  own:\n    <<: *base\n    b: 2\n  several: {<<: [*base, {c: 3, a: 9}]}\n  \"<<\": text\n  tagged: !!str 5\n  again: *base\n";
    let conf = Conf::read(dir(file).path()).unwrap();
    let params = &conf.connectors["C"].params;
    let json = |name: &str| params[name].to_json();
    assert_eq!(json("own"), serde_json::json!({"a": 31, "b": 2}));
    assert_eq!(json("several"), serde_json::json!({"a": 31, "b": 1, "c": 3}));
    assert_eq!(json("<<"), serde_json::json!("text"));
    assert_eq!(json("tagged"), serde_json::json!("5"));
    assert_eq!(json("again"), serde_json::json!({"a": 31, "b": 1}));
    assert_eq!(params["again"].as_map().unwrap()["a"].as_str(), Some("0x1F"));
    let deep = format!("{}x{}", "[".repeat(200), "]".repeat(200));
    let found = problems(dir(&format!("kistype: conn\nparams: {deep}\n")).path());
    assert!(found.len() == 1 && found[0].contains("more than 128 deep"), "{found:?}");
}

#[test]
fn a_file_may_have_any_number_of_documents() {
    let documents = (0..1_100).map(|i| format!("---\nkistype: source\nsname: s{i}\ntype: file\n"));
    let conf = Conf::read(dir(&documents.collect::<String>()).path()).unwrap();
    assert_eq!(conf.sources.len(), 1_100);
}

#[test]
fn a_secret_does_not_show_when_a_conf_is_printed() {
    let params = params("user: ada\npassword: hunter2\nnested: {authToken: hunter2, zip: 01234}");
    let shown = format!("{params:?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("ada") && shown.contains("01234"),
        "{shown}"
    );
}
