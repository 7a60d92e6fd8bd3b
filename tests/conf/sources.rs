//! Conf of sources and of the quarantine: mistakes are told before anything is opened.

use std::fs;
use std::time::Duration;

use kisflow::{
    Delivery, File, Http, Ordered, QuarantineConf, Result, SourceContext, Start, Status, Stdin,
    WhenFull, async_trait, prelude::*,
};
use kisflow_core::Source;

#[derive(Serialize, Deserialize)]
struct Row {
    id: u32,
}

#[faas("Take")]
fn take(_: &Row) {}

#[faas("Count")]
fn count(_: &Row, count: &mut u64) {
    *count += 1;
}

/// `type: empty`: has no rows.
struct Empty;

#[derive(Deserialize)]
struct EmptyParams {
    #[expect(dead_code, reason = "only its shape is read")]
    depth: Option<u32>,
}

#[async_trait]
impl Source for Empty {
    const TYPE: &'static str = "empty";
    type Params = EmptyParams;

    fn check(conf: &SourceConf, _: &EmptyParams) -> Vec<(String, String)> {
        match conf.key.as_str() {
            "" => vec![("key".to_owned(), "what is to be read?".to_owned())],
            _ => Vec::new(),
        }
    }

    async fn open(_: &SourceConf, _: EmptyParams, _: SourceContext) -> Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        Ok(None)
    }
}

fn registry() -> Registry {
    Registry::linked().connector::<Redb>().source::<Empty>()
}

const FUNC: &str = "kistype: func\nfname: Take\nfmode: Calculate\n";
const FLOW: &str = "kistype: flow\nflow_name: F\nsource: s\nflows: [{fname: Take}]\n";
const SOURCE: &str = "kistype: source\nsname: s\ntype: empty\nkey: k\n";

/// Every problem of these documents, each in a file of its own: `0.yml`, `1.yml`, ….
#[track_caller]
fn check(registry: Registry, documents: &[&str], expected: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    for (index, text) in documents.iter().enumerate() {
        fs::write(dir.path().join(format!("{index}.yml")), text).unwrap();
    }
    let prefix = format!("{}/", dir.path().display());
    let problems: Vec<String> = match registry.check(dir.path()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems().iter().map(ToString::to_string).collect(),
    };
    let problems: Vec<String> =
        problems.iter().map(|problem| problem.replace(&prefix, "")).collect();
    assert_eq!(problems, expected);
}

#[test]
fn everything_that_a_source_may_say_is_read() {
    let source = "kistype: source\nsname: s\ntype: empty\naddrs: a:1\nkey: k\ngroup: g\nbatch: {rows: 7, wait_ms: 8}\nin_flight: 9\nin_flight_bytes: 10\nstart: 17-0\nordered: {key: id}\nisolate: false\nretry_times: 5\nretry_duration: 6\nparams: {depth: 1}\n";
    let global = "kistype: global\ngrace_ms: 5\nquarantine: {cname: kept, max_rows: 1, max_bytes: 2, max_age_ms: 3, when_full: drop_oldest}\nwaiting: {hold_ms: 4, max_wait_ms: 5, max_rows: 6, max_bytes: 7}\n";
    let kept = "kistype: conn\ncname: kept\ntype: redb\naddrs: kept.redb\n";
    check(registry(), &[FUNC, FLOW, source, global, kept], &[]);

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("all.yml"), [source, global].join("---\n")).unwrap();
    let conf = Conf::read(dir.path()).unwrap();
    let expected = SourceConf::new("s", "empty")
        .addrs("a:1")
        .key("k")
        .group("g")
        .batch(7, Duration::from_millis(8))
        .in_flight(9)
        .in_flight_bytes(10)
        .start(Start::After("17-0".to_owned()))
        .ordered(Ordered::Key("id".to_owned()))
        .isolate(false)
        .retry(5, Duration::from_millis(6))
        .param("depth", 1);
    assert_eq!(conf.sources.get("s"), Some(&expected));
    let quarantine =
        kisflow::QuarantineConf::on("kept").limit(1, 2).max_age(Duration::from_millis(3));
    let [hold, max_wait] = [4, 5].map(Duration::from_millis);
    let waiting = kisflow::WaitingConf::default().hold(hold).max_wait(max_wait).limit(6, 7);
    let global = GlobalConf::default().grace(Duration::from_millis(5)).waiting(waiting);
    assert_eq!(conf.global, global.quarantine(quarantine.when_full(WhenFull::DropOldest)));
}

#[test]
fn a_flow_whose_source_does_not_exist_is_a_problem() {
    let source = SOURCE.replace("sname: s", "sname: orders");
    let flow = FLOW.replace("source: s", "source: order");
    check(
        registry(),
        &[FUNC, &flow, &source],
        &["1.yml:3: source: no source is named \"order\"; did you mean \"orders\"?"],
    );
}

#[test]
fn a_type_that_nobody_registered_is_a_problem() {
    let source = SOURCE.replace("type: empty", "type: emty");
    check(
        registry(),
        &[FUNC, FLOW, &source],
        &[
            "2.yml:3: type: no source of type \"emty\" is registered; did you mean \"empty\"?; register it with `.source::<…>()`",
        ],
    );
}

#[test]
fn params_that_the_source_does_not_know_and_what_it_refuses_are_problems() {
    let source = "kistype: source\nsname: s\ntype: empty\nparams: {depht: 1, colour: red}\n";
    check(
        registry(),
        &[FUNC, FLOW, source],
        &[
            "2.yml:4: params.depht: unknown param; did you mean \"depth\"?; known: depth",
            "2.yml:4: params.colour: unknown param; known: depth",
        ],
    );
    let source = "kistype: source\nsname: s\ntype: empty\n";
    check(registry(), &[FUNC, FLOW, source], &["2.yml:1: key: what is to be read?"]);
}

#[test]
fn numbers_and_words_that_cannot_be_are_problems() {
    let source = format!(
        "{SOURCE}batch: {{rows: 0, wait: 5}}\nin_flight: 0\nordered: sometimes\nisolate: maybe\n"
    );
    check(
        registry(),
        &[FUNC, FLOW, &source],
        &[
            "2.yml:5: batch.rows: expected a whole number from 1, found `0`",
            "2.yml:5: batch.wait: unknown key; known: rows, wait_ms",
            "2.yml:6: in_flight: expected a whole number from 1, found `0`",
            "2.yml:7: ordered: expected true, false, or a map with the `key` whose rows keep their order; found the text \"sometimes\"",
            "2.yml:8: isolate: expected true or false, found the text \"maybe\"",
        ],
    );
    let global = "kistype: global\nquarantine: {when_full: drop}\n";
    check(
        registry(),
        &[FUNC, FLOW, SOURCE, global],
        &["3.yml:2: quarantine.when_full: found the text \"drop\"; known: stop, drop_oldest"],
    );
}

#[test]
fn a_source_without_a_name_or_twice_is_a_problem() {
    check(
        registry(),
        &[FUNC, FLOW, SOURCE, SOURCE],
        &["3.yml:2: sname: there is a source `s` already, in 2.yml:2"],
    );
    check(
        registry(),
        &[FUNC, FLOW, SOURCE, "kistype: source\ntype: empty\n"],
        &["3.yml:1: sname: this key is required"],
    );
}

#[test]
fn two_flows_that_would_share_the_rows_of_a_group_are_a_problem() {
    let source = format!("{SOURCE}group: together\n");
    let other = FLOW.replace("flow_name: F", "flow_name: G");
    check(
        registry(),
        &[FUNC, FLOW, &source, &other],
        &[
            "3.yml:3: source: flow `F` (1.yml:3) reads source `s` in group \"together\" as well, so that each flow would get a part of the rows; leave `group` out of the source, and each flow reads all of them",
        ],
    );
    check(registry(), &[FUNC, FLOW, SOURCE, &other], &[]);
}

#[test]
fn a_quarantine_that_would_not_outlive_the_process_is_a_problem() {
    let memory = "kistype: conn\ncname: kept\ntype: memory\n";
    let global = "kistype: global\nquarantine: {cname: kept}\n";
    check(
        registry(),
        &[FUNC, FLOW, SOURCE, global, memory],
        &[
            "3.yml:2: quarantine.cname: connector `kept` has `type: memory`, which does not outlive the process; types that do: redb",
        ],
    );
    check(
        registry(),
        &[FUNC, FLOW, SOURCE, global],
        &["3.yml:2: quarantine.cname: no connector is named \"kept\""],
    );
    check(
        Registry::linked().source::<Empty>(),
        &[FUNC, FLOW, SOURCE],
        &[
            "1.yml:3: source: nothing keeps the rows that cannot be processed; register an embedded store (`.connector::<Redb>()`), or name a connector that outlives the process as `quarantine.cname` of the global conf",
        ],
    );
}

/// What keeps the quarantine of a conf: the connector's name and address.
fn kept_by(conf: &Conf) -> Option<(String, String)> {
    let conn = registry().quarantine_conn(conf)?;
    Some((conn.cname, conn.addrs))
}

#[test]
fn a_quarantine_is_found_whether_its_flows_are_enabled_or_not() {
    let redb = |cname: &str, addrs: &str| ConnConf::new(cname, "redb").addrs(addrs);
    let flow = || FlowConf::new("Orders").source("orders").then::<take>();
    let conf = |flow: FlowConf| Conf::new().flow(flow).source(SourceConf::new("orders", "empty"));
    let found = |cname: &str, addrs: &str| Some((cname.to_owned(), addrs.to_owned()));
    assert_eq!(kept_by(&conf(FlowConf::new("Orders").then::<take>())), None);
    assert_eq!(kept_by(&conf(flow())), found("kisflow", "kisflow.redb"));
    assert_eq!(kept_by(&conf(flow().status(Status::Disabled))), found("kisflow", "kisflow.redb"));

    let own = conf(flow()).connector(redb("kisflow", "other.redb"));
    assert_eq!(kept_by(&own), found("kisflow_", "kisflow.redb"), "the name is taken");
    let same = own.clone().connector(redb("kept", "kisflow.redb"));
    assert_eq!(kept_by(&same), found("kept", "kisflow.redb"), "a file is open once");
    let named = own.global(GlobalConf::default().quarantine(QuarantineConf::on("kisflow")));
    assert_eq!(kept_by(&named), found("kisflow", "other.redb"));
}

const COUNT: &str = "kistype: func\nfname: Count\nfmode: Calculate\noption: {key: id}\n";
const EXACT: &str = "kistype: flow\nflow_name: F\nguarantee: exactly_once\n";

/// A flow that counts rows of a source exactly once.
fn exact(source: &str) -> String {
    format!("{EXACT}source: s\nflows: [{{fname: Count}}]\n---\nkistype: source\nsname: s\n{source}")
}

#[test]
fn exactly_once_needs_state_and_a_source_that_recognizes_its_rows() {
    let registry = || registry().source::<File>().source::<Stdin>().source::<Http>();
    check(registry(), &[COUNT, &exact("type: file\nkey: k\n")], &[]);
    check(registry(), &[COUNT, &exact("type: http\naddrs: 127.0.0.1:1\nkey: /k\n")], &[]);
    check(
        registry(),
        &[COUNT, &exact("type: stdin\n")],
        &[
            "1.yml:3: guarantee: source `s` reads standard input, whose rows are gone when the process dies; leave `guarantee` out, or take another source",
        ],
    );
    check(
        registry(),
        &[COUNT, &exact("type: empty\nkey: k\n")],
        &[
            "1.yml:3: guarantee: source `s` cannot recognize a row that is redelivered; leave `guarantee` out, or take another source",
        ],
    );
    check(
        registry(),
        &[
            COUNT,
            &exact("type: http\naddrs: 127.0.0.1:1\nkey: /k\nparams: {idempotency_keys: 0}\n"),
        ],
        &[
            "1.yml:3: guarantee: source `s` remembers no idempotency keys, by which a row that is posted again is recognized (`idempotency_ms`, `idempotency_keys`); leave `guarantee` out, or take another source",
        ],
    );
    check(
        registry(),
        &[FUNC, &exact("type: file\nkey: k\n").replace("Count", "Take")],
        &[
            "1.yml:3: guarantee: no function of the flow keeps state, and what its functions do elsewhere happens at least once; leave `guarantee` out, or count in a function that keeps state (`option.key`)",
        ],
    );
    check(
        registry(),
        &[COUNT, &format!("{EXACT}flows: [{{fname: Count}}]\n")],
        &[
            "1.yml:3: guarantee: only rows of a source are redelivered; name the flow's `source`, or leave `guarantee` out",
        ],
    );
    check(
        registry(),
        &[COUNT, &exact("type: file\nkey: k\n").replace("exactly_once", "exactly-once")],
        &["1.yml:3: guarantee: found the text \"exactly-once\"; did you mean \"exactly_once\"?"],
    );
}

#[test]
fn a_note_tells_of_rows_that_would_count_again() {
    let notes = |flow: &str| {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("flow.yml", flow), ("count.yml", COUNT)] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let inspection = registry().source::<File>().source::<Http>().inspect(dir.path());
        let notes = inspection.notes.iter().map(ToString::to_string);
        notes
            .map(|note| note.replace(&format!("{}/", dir.path().display()), ""))
            .collect::<Vec<_>>()
    };
    let http = exact("type: http\naddrs: 127.0.0.1:1\nkey: /k\n");
    assert_eq!(notes(&http), [""; 0]);
    assert_eq!(
        notes(&http.replace("guarantee: exactly_once\n", "")),
        [
            "flow.yml:1: guarantee: a row that source `s` redelivers after a crash counts again in the states of the flow; `guarantee: exactly_once` prevents it"
        ]
    );
    let file = exact("type: file\nkey: k\n");
    assert_eq!(notes(&file.replace("guarantee: exactly_once\n", "")), [""; 0]);
}
