//! The command line as its users meet it: programs that run, are stopped, and stand beside a service.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};

use kisflow::{
    BoxFuture, ConnConf, Durable, Redb, Registry, StoredStates,
    durable::{Commit, Key},
};
use serde_json::Value;

use crate::server::poll;

/// A directory with the conf of the shop, and rows of orders.
struct Shop {
    dir: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("conf")).unwrap();
        for entry in fs::read_dir(root().join("conf/shop")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join("conf").join(entry.file_name())).unwrap();
        }
        fs::copy(root().join("examples/data/orders.ndjson"), dir.path().join("orders.ndjson"))
            .unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(built("examples/shop"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("RUST_LOG", "warn").env_remove("KISFLOW_CONF");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command prints that succeeds.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--output", "json"]].concat())).unwrap()
    }

    /// Starts the service, whose source goes on when its file ends.
    fn serve(&self) -> Service {
        let source = self.path("conf/source.yml");
        let text = fs::read_to_string(&source).unwrap();
        if !text.contains("follow:") {
            fs::write(&source, text + "params: {follow: true, poll_ms: 20}\n").unwrap();
        }
        let run = self.command(&["run"]).stdout(Stdio::null()).spawn().unwrap();
        Service(run)
    }
}

/// Killed when it is dropped.
struct Service(Child);

impl Service {
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// How it ends when it is told to.
    fn end(mut self) -> Option<i32> {
        signal("TERM", &self.0);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn signal(name: &str, child: &Child) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{:?}: {}{}", output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program that cargo has built.
fn built(path: &str) -> PathBuf {
    let me = env::current_exe().unwrap();
    let folder = me.parent().and_then(Path::parent).unwrap();
    folder.join(path).with_extension(env::consts::EXE_EXTENSION)
}

fn rows(ids: std::ops::RangeInclusive<u32>) -> String {
    ids.map(|id| format!("{{\"id\":{id},\"article\":\"tea\",\"count\":2}}\n")).collect()
}

fn ids(text: &str) -> Vec<u64> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_u64().unwrap();
    text.lines().map(id).collect()
}

/// Feeds refunds in a dry run with the records of a file: how it ends, and what it prints.
fn feed_given(file: &str, given: &str, more: &[&str]) -> (Option<i32>, String) {
    let shop = Shop::new();
    fs::write(shop.path("refunds.csv"), "id\n6\n").unwrap();
    fs::write(shop.path(file), given).unwrap();
    let output = shop.run(&[&["feed", "Refunds", "refunds.csv", "--given", file], more].concat());
    assert!(!shop.path("shop.redb").exists(), "nothing is opened");
    (output.status.code(), told(&output))
}

#[test]
fn a_dry_run_has_the_records_that_are_given() {
    let yaml = "records:\n  Invoices:\n    6: {total: 45}\n";
    let json = "{\"records\": {\"Invoices\": {\"6\": {\"total\": 45}}}}";
    let dry = ["--dry-run", "--out", "-"];
    for (file, given) in [("given.yml", yaml), ("given.json", json)] {
        let (status, said) = feed_given(file, given, &dry);
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains("{\"id\":6,\"total\":-45.0}\n"), "{said}");
        let note =
            format!("dry run: connectors are memories with the records of {file}, functions");
        assert!(said.contains(&note), "{said}");
    }
    let (status, said) = feed_given("given.yml", yaml, &["--dry-run", "--trace", "1"]);
    assert!(said.contains("hands on  {\"id\":6,\"total\":45}"), "{said}");
    assert!(said.contains("memories with the records of given.yml"), "{said}");
    assert_eq!(status, Some(0));
    let (status, said) = feed_given("given.yml", "records: {}\n", &dry);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("there is no record `invoice:6`"), "{said}");
}

#[test]
fn records_are_given_to_no_real_connector() {
    let (status, said) = feed_given("given.yml", "records: {}\n", &[]);
    assert_eq!(status, Some(2), "{said}");
    let why = "shop: `--given` is for the memories of a dry run, and would change records of the real connectors; add `--dry-run`\n";
    assert!(said.ends_with(why), "{said}");
}

#[test]
fn records_that_cannot_be_given_are_shown_with_their_lines() {
    let check = |given: &str, shown: &str| {
        let (status, said) = feed_given("given.yml", given, &["--dry-run"]);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(shown), "{said}");
    };
    check(
        "records:\n  Invoices:\n    6: 45\n",
        "shop: 1 problem in given.yml

error: expected the fields of a record, found `45`
 --> given.yml:3:5
  |
1 | records:
2 |   Invoices:
3 |     6: 45
  |     ^^^^^ records.Invoices.6
",
    );
    check(
        "records:\n  Invoice: {6: {total: 45}}\n  Orders: {}\n",
        "shop: 2 problems in given.yml

error: no connector is named \"Invoice\"; did you mean \"Invoices\"?
 --> given.yml:2:3
  |
1 | records:
2 |   Invoice: {6: {total: 45}}
  |   ^^^^^^^^^^^^^^^^^^^^^^^^^ records.Invoice
3 |   Orders: {}
",
    );
    check("records: [", "the YAML does not parse");
    let shop = Shop::new();
    let output = shop.run(&["feed", "Refunds", "--dry-run", "--given", "none.yml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(told(&output).contains("error: the file cannot be read: "), "{}", told(&output));
}

#[test]
fn records_of_a_connector_that_the_flow_does_not_use_are_a_problem() {
    let shop = Shop::new();
    let conn = "{kistype: conn, cname: Other, type: memory}\n";
    fs::write(shop.path("conf/other.yml"), conn).unwrap();
    fs::write(shop.path("given.yml"), "records:\n  Other: {6: {total: 45}}\n").unwrap();
    let args = ["feed", "Refunds", "orders.ndjson", "--dry-run", "--given", "given.yml"];
    let output = shop.run(&args);
    assert_eq!(output.status.code(), Some(2));
    let said = told(&output);
    assert!(
        said.contains(
            "error: no function of flow `Refunds` uses connector `Other`, or its engine keeps no records\n --> given.yml:2:3"
        ),
        "{said}"
    );
}

/// `--skip N` of what a feed says that was stopped.
fn advice(said: &str) -> String {
    let (_, behind) = said.rsplit_once("`--skip ").unwrap_or_else(|| panic!("no advice: {said}"));
    behind.split_once('`').unwrap().0.to_owned()
}

/// Feeds rows through a pipe, and stops the feed with a signal when some are written.
fn feed_until_stopped(shop: &Shop, how: &str, args: &[&str]) -> String {
    let mut command = shop.command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut feed = command.spawn().unwrap();
    let mut stdin = feed.stdin.take().unwrap();
    stdin.write_all(rows(1..=60).as_bytes()).unwrap();
    assert!(poll(|| shop.read("out.part").lines().count() >= 30));
    signal(how, &feed);
    let output = feed.wait_with_output().unwrap();
    drop(stdin);
    assert!(!shop.path("out").exists(), "what is not complete has another name");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_feed_that_was_stopped_goes_on_as_it_says_and_loses_no_row() {
    let shop = Shop::new();
    let args = ["feed", "Invoices", "--dry-run", "--batch", "10", "--out", "out"];
    let said = feed_until_stopped(&shop, "INT", &args);
    let skip = advice(&said);
    let done = ids(&shop.read("out.part"));
    assert_eq!(done, (1..=skip.parse().unwrap()).collect::<Vec<u64>>(), "{said}");

    let again = |args: &[&str]| {
        let mut feed =
            shop.command(args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        // One that refuses does not read.
        feed.stdin.take().unwrap().write_all(rows(1..=200).as_bytes()).ok();
        feed.wait().unwrap().code()
    };
    // What does not fit is refused, and changes nothing.
    assert_eq!(again(&args), Some(2));
    assert_eq!(again(&[&args[..], &["--skip", "7"]].concat()), Some(2));
    assert_eq!(ids(&shop.read("out.part")), done);
    // To the letter.
    assert_eq!(again(&[&args[..], &["--skip", &skip]].concat()), Some(0));
    assert_eq!(ids(&shop.read("out")), (1..=200).collect::<Vec<u64>>());
    assert!(!shop.path("out.part").exists() && !shop.path("out.part.state").exists());
    // A file that is complete is not written over.
    assert_eq!(again(&args), Some(2));
    assert_eq!(again(&[&args[..], &["--skip", &skip]].concat()), Some(2));
    assert_eq!(ids(&shop.read("out")).len(), 200);
    assert_eq!(again(&[&args[..], &["--force"]].concat()), Some(0));
}

#[test]
fn a_feed_that_was_killed_goes_on_where_its_part_says() {
    let shop = Shop::new();
    let args = ["feed", "Invoices", "--dry-run", "--batch", "10", "--out", "out"];
    feed_until_stopped(&shop, "KILL", &args);
    let refused = shop.run(&args);
    assert_eq!(refused.status.code(), Some(2));
    let skip = advice(&told(&refused));
    let args = [&args[..], &["--skip", &skip]].concat();
    let mut feed = shop.command(&args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    feed.stdin.take().unwrap().write_all(rows(1..=80).as_bytes()).unwrap();
    assert!(feed.wait().unwrap().success());
    assert_eq!(ids(&shop.read("out")), (1..=80).collect::<Vec<u64>>());
}

#[test]
fn who_reads_no_more_ends_a_command_without_a_word() {
    let shop = Shop::new();
    fs::write(shop.path("many.ndjson"), rows(1..=20_000)).unwrap();
    shop.ok(&["run"]);
    for args in [
        &["flows"][..],
        &["functions"],
        &["connectors", "--output", "json"],
        &["graph"],
        &["check"],
        &["schema"],
        &["man"],
        &["completions", "bash"],
        &["test"],
        &["quarantine", "list"],
        &["quarantine", "stats"],
        &["positions", "list"],
        &["feed", "Invoices", "many.ndjson", "--dry-run", "--out", "-"],
        &["feed", "Invoices", "many.ndjson", "--dry-run"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        let reader_of = |child: &mut Child| child.wait().unwrap();
        let mut command = shop.command(args);
        command.stdout(writer).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(command);
        // `head -1` reads a line; `true` reads nothing.
        drop(reader);
        let status = reader_of(&mut child);
        let said: Vec<_> =
            BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap).collect();
        assert_eq!((status.code(), said), (Some(0), vec![]), "{args:?}");
    }
}

#[test]
fn a_quarantine_is_mended_while_the_service_runs() {
    let shop = Shop::new();
    let list = ["quarantine", "list", "--output", "json"];
    for _ in 0..2 {
        let service = shop.serve();
        assert!(poll(|| {
            let output = shop.run(&list);
            let rows = serde_json::from_slice::<Value>(&output.stdout);
            rows.is_ok_and(|listed| listed["rows"].as_array().is_some_and(|rows| rows.len() == 2))
        }));
        // A killed service leaves its socket, which the next one replaces.
        service.kill();
    }
    let service = shop.serve();
    assert!(poll(|| {
        let output = shop.run(&["positions", "list", "--output", "json"]);
        let stands = serde_json::from_slice::<Value>(&output.stdout);
        stands.is_ok_and(|stands| stands[0]["behind"] == 0) && shop.path("shop.redb.sock").exists()
    }));
    let preview = shop.json(&["quarantine", "edit", "--all", "--set", "count=3", "--dry-run"]);
    assert_eq!((&preview["changed"], &preview["unfit"]), (&2.into(), &0.into()));
    let edit = shop.run(&["quarantine", "edit", "--all", "--cause", "count", "--set", "count=3"]);
    assert!(edit.status.success(), "{}", told(&edit));
    let stays = shop.run(&["quarantine", "retry", "--all", "--output", "json"]);
    let stays: Value = serde_json::from_slice(&stays.stdout).unwrap();
    assert_eq!((&stays["retried"], &stays["failed"]), (&1.into(), &1.into()));
    assert_eq!(stays["causes"][0]["cause"], "no article is named \"…\"");
    shop.ok(&["quarantine", "discard", "--all", "--reason", "a test", "--yes"]);
    assert_eq!(shop.json(&["quarantine", "list"])["rows"], serde_json::json!([]));

    // What a service works with is changed by nobody else.
    let reset = shop.run(&["positions", "reset", "Invoices", "--to", "start"]);
    assert_eq!(reset.status.code(), Some(1), "{}", told(&reset));
    assert!(told(&reset).contains("is open already"), "{}", told(&reset));
    assert_eq!(service.end(), Some(0));
    shop.ok(&["positions", "reset", "Invoices", "--to", "start"]);
    assert!(!shop.path("shop.redb.sock").exists());
}

#[test]
fn states_go_with_the_positions_of_their_flow() {
    let shop = Shop::new();
    shop.ok(&["run"]);
    let conf = ConnConf::new("kept", "redb").addrs(shop.path("shop.redb").display().to_string());
    let with_store = |work: &dyn Fn(Arc<dyn Durable>) -> BoxFuture<'static, bool>| {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let store = Registry::new().connector::<Redb>().durable(&conf).await.unwrap();
            work(store).await
        })
    };
    let put = || {
        with_store(&|store| {
            Box::pin(async move {
                let key = Key::new("state").text("Invoices").text("Sum").number(7);
                store.commit(&Commit::new().put(key, "3")).await.is_ok()
            })
        })
    };
    let has = |flow: &'static str| {
        with_store(&|store| {
            Box::pin(async move { !StoredStates::new(&*store, flow).is_empty().await.unwrap() })
        })
    };
    assert!(put());
    let refused = shop.run(&["positions", "reset", "Invoices", "--to", "start"]);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(
        told(&refused).contains("say --drop-states to begin without them"),
        "{}",
        told(&refused)
    );
    let moves = ["positions", "move", "--flow", "Invoices", "--to-flow", "Bills"];
    assert_eq!(shop.ok(&moves), "1 position moved\n");
    assert!(has("Bills") && !has("Invoices"));
    // Another has the name by now.
    assert!(put());
    let back = ["positions", "move", "--flow", "Bills", "--to-flow", "Invoices"];
    assert_eq!(shop.ok(&back), "1 position moved\n", "the same state is no other");
    assert!(has("Invoices") && !has("Bills"));
    shop.ok(&["positions", "reset", "Invoices", "--to", "start", "--keep-states"]);
    assert!(has("Invoices"));
    shop.ok(&["positions", "reset", "Invoices", "--to", "start", "--drop-states"]);
    assert!(!has("Invoices"));
}

#[test]
fn a_list_is_gone_through_with_a_cursor() {
    let shop = Shop::new();
    let bad: String =
        (1..=25).map(|id| format!("{{\"id\":{id},\"article\":\"tae{id}\"}}\n")).collect();
    fs::write(shop.path("orders.ndjson"), bad).unwrap();
    shop.ok(&["run"]);
    let all = shop.json(&["quarantine", "list"]);
    assert_eq!(all["rows"].as_array().unwrap().len(), 25);
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = shop.json(&["quarantine", "list", "--limit", "10", "--after", &after]);
        found.extend(page["rows"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(Value::from(found), all["rows"]);
    let stats = shop.json(&["quarantine", "stats"]);
    assert_eq!(stats["causes"].as_array().unwrap().len(), 1, "{stats}");
    let one = shop.json(&["quarantine", "list", "--field", "article=tae7"]);
    assert_eq!(one["rows"].as_array().unwrap().len(), 1);
    let some = shop.json(&["quarantine", "list", "--contains", "tae2"]);
    assert_eq!(some["rows"].as_array().unwrap().len(), 7);
}

#[test]
fn a_pattern_is_fed_in_the_order_of_names_whatever_its_files_are() {
    let shop = Shop::new();
    fs::create_dir(shop.path("in")).unwrap();
    fs::write(shop.path("in/orders-2.csv"), "id,article,count\n3,tea,2\n").unwrap();
    fs::write(shop.path("in/orders-1.ndjson"), rows(1..=2)).unwrap();
    fs::write(shop.path("in/orders-3.json"), format!("[{}]", rows(4..=4))).unwrap();
    fs::write(shop.path("in/orders-4.ndjson"), rows(5..=6)).unwrap();
    let gzip = Command::new("gzip").arg(shop.path("in/orders-4.ndjson")).status().unwrap();
    assert!(gzip.success());
    fs::write(shop.path("in/returns.ndjson"), "no row of it is read\n").unwrap();
    let feed = ["feed", "Invoices", "in/orders-*", "--dry-run"];
    let out = shop.ok(&[&feed[..], &["--out", "-"]].concat());
    assert_eq!(ids(&out), [1, 2, 3, 4, 5, 6]);
    // A rejected row is told with the file that it is in.
    fs::write(shop.path("in/orders-2.csv"), "id,article,count\n3,tae,2\n").unwrap();
    let fed = shop.run(&[&feed[..], &["--keep-going"]].concat());
    assert!(told(&fed).contains("in/orders-2.csv"), "{}", told(&fed));
    let none = shop.run(&["feed", "Invoices", "in/invoices-*", "--dry-run"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(told(&none).contains("no file has a name of the pattern in/invoices-*"));
}
