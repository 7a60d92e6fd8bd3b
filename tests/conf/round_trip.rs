//! Whatever a conf says, it says the same after it has been written and read.

use std::{fs, time::Duration};

use kisflow::{
    AbortScope, Conf, ConnConf, FlowConf, FunctionConf, GlobalConf, Guarantee, Mode, MustCheck,
    OnReject, Ordered, QuarantineConf, SourceConf, Start, Status, StepConf, WaitingConf, WhenFull,
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::Value;

/// A text of any letters, or one that YAML reads as something else when it is not quoted.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "null",
        "~",
        "yes",
        "No",
        "true",
        "007",
        "0x1F",
        "1e3",
        ".5",
        "-",
        "- a",
        "a: b",
        "# no comment",
        "a #b",
        "'",
        "\"",
        "{",
        "[a]",
        "&a",
        "*a",
        "!t",
        "|",
        ">",
        "%",
        "@",
        "`",
        "a\nb",
        "\ta",
        "a ",
        " a",
        "a\\b",
        "<<",
        "=",
        "2026-11-20",
        "12:30:45",
        "\u{feff}x",
        "\u{85}",
        "\u{2028}",
    ];
    prop_oneof![select(odd.to_vec()).prop_map(str::to_owned), "\\PC{1,12}"]
}

/// A name: a text that is not blank, in one line, without blanks at its ends.
fn name() -> impl Strategy<Value = String> {
    text().prop_filter("a name shows as what it is", |name| {
        let breaks =
            |character: char| character.is_control() || "\u{2028}\u{2029}".contains(character);
        !name.is_empty() && name.trim() == name && !name.contains(breaks)
    })
}

/// What stands in a file without quotes.
fn plain() -> impl Strategy<Value = String> {
    let odd = [
        "007",
        "01234",
        "0x1F",
        "0o17",
        "0b11",
        "1_000",
        "2026_11",
        "+5",
        "-5",
        "-0",
        "1.10",
        "1.",
        ".5",
        "1e3",
        "1E+05",
        "12345678901234567890123",
        "18446744073709551616",
        "True",
        "FALSE",
        "yes",
        "Off",
        "2026-11-27",
        "12:30:45",
        "1.2.3",
        "0.0.0.0:80",
        ".inf",
        ".nan",
        "a b",
        "$",
        "US$",
        "a$b",
    ];
    prop_oneof![
        select(odd.to_vec()).prop_map(str::to_owned),
        "[-+]?[0-9._xoeE]{1,30}",
        "[A-Za-z0-9_.]{1,12}"
    ]
    .prop_filter("it stands for a text", |text| {
        !matches!(text.to_lowercase().as_str(), "null" | "-" | "--" | "---")
    })
}

fn value() -> impl Strategy<Value = Value> {
    let number = any::<f64>().prop_filter("a conf holds finite numbers", |float| float.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number.prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((text(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn params() -> impl Strategy<Value = Vec<(String, Value)>> {
    vec((text(), value()), 0..4)
}

fn flow() -> impl Strategy<Value = FlowConf> {
    let step = (name(), params()).prop_map(|(name, params)| {
        params.into_iter().fold(StepConf::from(name), |step, (name, value)| step.param(name, value))
    });
    let source = proptest::option::of(name());
    let abort = proptest::option::of(select(vec![AbortScope::EachRow, AbortScope::WholeBatch]));
    let guarantee = select(vec![Guarantee::AtLeastOnce, Guarantee::ExactlyOnce]);
    let words = (any::<bool>(), any::<bool>(), abort, guarantee);
    (name(), words, any::<u32>(), vec(step, 0..4), source).prop_map(
        |(name, (enabled, fail, abort, guarantee), jumps, steps, source)| {
            let status = if enabled { Status::Enabled } else { Status::Disabled };
            let on_reject = if fail { OnReject::Fail } else { OnReject::Quarantine };
            let mut flow =
                FlowConf::new(name).status(status).on_reject(on_reject).jump_limit(jumps);
            (flow.source, flow.abort, flow.guarantee) = (source, abort, guarantee);
            steps.into_iter().fold(flow, FlowConf::then_named)
        },
    )
}

fn must_check() -> impl Strategy<Value = MustCheck> {
    select(vec![MustCheck::Reject, MustCheck::Warn, MustCheck::Off])
}

fn function() -> impl Strategy<Value = FunctionConf> {
    let mode = select(vec![Mode::Verify, Mode::Save, Mode::Load, Mode::Calculate, Mode::Expand]);
    let retry = proptest::option::of((any::<u32>(), duration()));
    let options = (
        retry,
        (proptest::option::of(duration()), proptest::option::of(must_check())),
        proptest::option::of(name()),
        vec(name(), 0..3),
        vec((name(), name()), 0..3),
    );
    (name(), mode, text(), vec(text(), 0..4), options, params()).prop_map(
        |(name, mode, source, must, (retry, (timeout, check), cname, jump, cnames), params)| {
            let mut function = FunctionConf::new(name, mode).source(source);
            (function.option.timeout, function.option.must) = (timeout, check);
            // One connector, or several by name.
            match cname {
                Some(cname) => function.option.cname = Some(cname),
                None => function.option.cnames = cnames.into_iter().collect(),
            }
            if let Some((times, base)) = retry {
                function = function.retry(times, base);
            }
            let function = must.into_iter().fold(function, FunctionConf::must);
            let function = jump.into_iter().fold(function, FunctionConf::jump);
            params.into_iter().fold(function, |function, (name, value)| function.param(name, value))
        },
    )
}

fn connector() -> impl Strategy<Value = ConnConf> {
    (name(), name(), text(), text(), vec(name(), 0..3), params()).prop_map(
        |(name, engine, addrs, key, save, params)| {
            let conn = ConnConf::new(name, engine).addrs(addrs).key(key);
            let conn = save.into_iter().fold(conn, ConnConf::save);
            params.into_iter().fold(conn, |conn, (name, value)| conn.param(name, value))
        },
    )
}

fn duration() -> impl Strategy<Value = Duration> {
    any::<u64>().prop_map(Duration::from_millis)
}

fn source() -> impl Strategy<Value = SourceConf> {
    let start =
        prop_oneof![Just(Start::Earliest), Just(Start::Latest), text().prop_map(Start::After)];
    let ordered =
        prop_oneof![Just(Ordered::No), Just(Ordered::Partition), name().prop_map(Ordered::Key)];
    let numbers = (1..u32::MAX, duration(), 1..u32::MAX, any::<u32>(), duration());
    (name(), name(), vec(text(), 3), numbers, start, ordered, any::<bool>(), params()).prop_map(
        |(name, engine, texts, numbers, start, ordered, isolate, params)| {
            let (rows, wait, in_flight, times, base) = numbers;
            let [addrs, key, group] = texts.try_into().unwrap();
            let source = SourceConf::new(name, engine)
                .addrs(addrs)
                .key(key)
                .group(group)
                .batch(rows, wait)
                .in_flight(in_flight)
                .in_flight_bytes(u64::from(in_flight) << 7)
                .start(start)
                .ordered(ordered)
                .isolate(isolate)
                .retry(times, base);
            params.into_iter().fold(source, |source, (name, value)| source.param(name, value))
        },
    )
}

fn quarantine() -> impl Strategy<Value = QuarantineConf> {
    let numbers = (any::<u64>(), any::<u64>(), proptest::option::of(duration()));
    (proptest::option::of(name()), numbers, any::<bool>()).prop_map(
        |(cname, (rows, bytes, age), drop)| {
            let mut quarantine = QuarantineConf::default().limit(rows, bytes);
            (quarantine.cname, quarantine.max_age) = (cname, age);
            if drop { quarantine.when_full(WhenFull::DropOldest) } else { quarantine }
        },
    )
}

fn waiting() -> impl Strategy<Value = WaitingConf> {
    (duration(), duration(), any::<u64>(), any::<u64>()).prop_map(|(hold, max, rows, bytes)| {
        WaitingConf::default().hold(hold).max_wait(max).limit(rows, bytes)
    })
}

fn conf() -> impl Strategy<Value = Conf> {
    let kept = (quarantine(), waiting());
    let global = (any::<bool>(), text(), duration(), kept, must_check());
    let global = global.prop_map(|(enable, serve, grace, (quarantine, waiting), check)| {
        let global = GlobalConf::prometheus(serve).grace(grace);
        let mut global = global.quarantine(quarantine).waiting(waiting);
        (global.prometheus_enable, global.must) = (enable, check);
        global
    });
    let pieces =
        (vec(flow(), 0..3), vec(function(), 1..3), vec(connector(), 0..3), vec(source(), 0..3));
    (pieces, global).prop_map(|((flows, functions, connectors, sources), global)| {
        let mut conf = Conf::new().global(global);
        // By name, so that none stands twice.
        conf.flows = flows.into_iter().map(|flow| (flow.flow_name.clone(), flow)).collect();
        conf.functions =
            functions.into_iter().map(|function| (function.fname.clone(), function)).collect();
        conf.connectors = connectors.into_iter().map(|conn| (conn.cname.clone(), conn)).collect();
        conf.sources = sources.into_iter().map(|source| (source.sname.clone(), source)).collect();
        conf
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_conf_that_is_written_reads_back_the_same(conf in conf()) {
        let dir = tempfile::tempdir().unwrap();
        conf.write(dir.path()).unwrap();
        let read = Conf::read(dir.path());
        prop_assert!(read.is_ok(), "{}", read.unwrap_err());
        prop_assert_eq!(read.unwrap(), conf);
    }

    #[test]
    fn what_stands_in_a_file_without_quotes_keeps_its_text(
        texts in vec(plain(), 1..4), name in plain(), key in plain(),
    ) {
        let list = texts.iter().map(|text| format!("\n      - {text}")).collect::<String>();
        let file = format!(
            "kistype: func\nfname: {name}\nfmode: Verify\nsource:\n  must:{list}\noption:\n  default_params:\n    {key}:{list}\n"
        );
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("in.yml"), file).unwrap();
        let read = Conf::read(dir.path());
        prop_assert!(read.is_ok(), "{}", read.unwrap_err());
        let read = read.unwrap();
        let out = tempfile::tempdir().unwrap();
        read.write(out.path()).unwrap();
        let again = Conf::read(out.path());
        prop_assert!(again.is_ok(), "{}", again.unwrap_err());
        prop_assert_eq!(&again.unwrap(), &read);
        let function = &read.functions[&name];
        prop_assert_eq!(&function.source.must, &texts);
        let found = function.option.default_params[key.as_str()].as_list().unwrap().iter();
        prop_assert_eq!(found.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>(), texts);
    }
}
