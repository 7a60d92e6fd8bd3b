//! `kisflow new`: what it makes, builds and runs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it stands"
)]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs `kisflow` in a directory.
fn kisflow(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kisflow")).args(args).current_dir(dir).output().unwrap()
}

/// What a command that ends with this code prints.
#[track_caller]
fn printed(output: Output, code: i32) -> String {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    if code == 0 { stdout } else { stderr }
}

/// Made, built, and run: in one test, because building takes its time.
#[test]
fn a_new_project_builds_checks_tests_feeds_and_serves() {
    let dir = TempDir::new().unwrap();
    let made = printed(kisflow(dir.path(), &["new", "web-shop"]), 0);
    let checkout = fs::canonicalize(WORKSPACE).unwrap();
    assert_eq!(made, MADE.replace("CHECKOUT", checkout.to_str().unwrap()));
    let project = dir.path().join("web-shop");
    let program = build(&project);
    let run = |args: &[&str]| {
        let run = Command::new(&program).args(args).current_dir(&project).output().unwrap();
        printed(run, 0)
    };
    // Every command of the README that ends by itself.
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let commands = readme.lines().filter_map(|line| line.strip_prefix("cargo run -- "));
    let commands: Vec<&str> = commands
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|line| *line != "run")
        .collect();
    assert_eq!(commands.len(), 5, "{commands:?}");
    let said: Vec<String> =
        commands.iter().map(|line| run(&line.split(' ').collect::<Vec<_>>())).collect();
    assert!(said[0].starts_with("no problems: 1 flow, 2 functions,"), "{}", said[0]);
    let test = "an order becomes an invoice that is kept, and one of nothing is rejected";
    assert_eq!(said[1], format!("ok      {test}\n\n1 test: ok\n"));
    assert!(said[2].contains("flow Invoices: 3 rows in, 3 out"), "{}", said[2]);
    assert!(said[3].contains("SaveInvoice"), "{}", said[3]);
    assert_eq!(
        run(&["schema"]),
        fs::read_to_string(project.join("conf/kisflow.schema.json")).unwrap()
    );
    assert_eq!(
        run(&["--version"]),
        format!("web-shop 0.1.0 (kisflow {})\n", env!("CARGO_PKG_VERSION"))
    );
    serves(&program, &project);
}

const MADE: &str = "made web-shop in web-shop:
  Cargo.toml
  README.md
  .gitignore
  .dockerignore
  .env.example
  Dockerfile
  src/main.rs
  conf/global.yml
  conf/source.yml
  conf/conn.yml
  conf/flow.yml
  conf/total.yml
  conf/save_invoice.yml
  conf/test.yml
  deploy/web-shop.service
  deploy/kubernetes.yml
  orders.ndjson
  conf/kisflow.schema.json
  deploy/grafana.json

kisflow is { path = \"CHECKOUT\" }

next:
  cd web-shop
  cargo run -- check
  cargo test && cargo run -- test
  cargo run -- feed Invoices orders.ndjson --dry-run
  cargo run -- run
";

/// Builds the project and runs its tests with the versions of this workspace, so that nothing is
/// fetched, and in its target directory with its profile, so that only those dependencies are built
/// again whose features differ.
fn build(project: &Path) -> PathBuf {
    let lock = Path::new(WORKSPACE).join("Cargo.lock");
    fs::copy(lock, project.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    // As `.cargo/config.toml` has it.
    let profile = ["profile.dev.debug='line-tables-only'", "profile.dev.package.'*'.debug=false"];
    let cargo = |command: &str| {
        let done = Command::new(env!("CARGO"))
            .args([command, "--quiet", "--offline"])
            .args(profile.map(|setting| format!("--config={setting}")))
            .current_dir(project)
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_INCREMENTAL", "0")
            .output()
            .unwrap();
        let warnings = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!warnings.contains("src/main.rs"), "{warnings}");
        printed(done, 0)
    };
    cargo("build");
    let tested = cargo("test");
    assert!(tested.contains("2 passed; 0 failed"), "{tested}");
    target.join("debug").join(format!("web-shop{}", std::env::consts::EXE_SUFFIX))
}

/// Runs the service as its unit and its image do, posts rows, asks how it is, and stops it.
fn serves(program: &Path, project: &Path) {
    let [rows, metrics] = free_addresses();
    for (file, written, free) in
        [("source", "0.0.0.0:8080", &rows), ("global", "0.0.0.0:9090", &metrics)]
    {
        let path = project.join(format!("conf/{file}.yml"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(written), "{text}");
        fs::write(&path, text.replace(written, free)).unwrap();
    }
    let mut service = Command::new(program)
        .args(["run", "--log-format", "json"])
        .current_dir(project)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| ask(&metrics, "GET /readyz HTTP/1.1\r\n\r\n").contains(" 200 "));
    let orders = fs::read_to_string(project.join("orders.ndjson")).unwrap() + "{\"id\": 4}\n";
    let head = "POST /orders HTTP/1.1\r\ncontent-type: application/x-ndjson\r\n";
    let answer = ask(&rows, &format!("{head}content-length: {}\r\n\r\n{orders}", orders.len()));
    assert!(answer.contains("{\"rows\":4,\"quarantined\":1}"), "{answer}");
    let metrics = ask(&metrics, "GET /metrics HTTP/1.1\r\n\r\n");
    let delivered =
        "kisflow_source_rows_total{flow=\"Invoices\",source=\"orders\",outcome=\"delivered\"} 3";
    assert!(metrics.contains(delivered), "{metrics}");

    let stop = Command::new("kill").arg(service.id().to_string()).status().unwrap();
    assert!(stop.success());
    assert!(service.wait().unwrap().success());
    let mut log = String::new();
    service.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let open = lines.iter().find(|line| line["message"] == "the source is open").expect(&log);
    assert_eq!((&open["flow"], &open["level"]), (&"Invoices".into(), &"INFO".into()), "{log}");
    assert!(project.join("web-shop.redb").is_file());
}

/// Two addresses where nothing listens.
fn free_addresses() -> [String; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().to_string())
}

/// What a server answers to a request after which it closes, or why there is no answer.
fn ask(address: &str, request: &str) -> String {
    let request = request.replacen("\r\n", "\r\nhost: test\r\nconnection: close\r\n", 1);
    let mut answer = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    asked.map_or_else(|error| format!("{answer}{error}"), |_| answer.clone())
}

fn until(mut met: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !met() {
        assert!(Instant::now() < end, "it is not ready");
        thread::yield_now();
    }
}

/// What a new project has in a file.
fn made(name: &str, args: &[&str], path: &str) -> String {
    let dir = TempDir::new().unwrap();
    printed(kisflow(dir.path(), &[&["new", name], args].concat()), 0);
    fs::read_to_string(dir.path().join(name).join(path)).unwrap()
}

#[test]
fn the_unit_starts_and_stops_the_service_as_it_wants_to_be() {
    let unit = made("web-shop", &[], "deploy/web-shop.service");
    let mut section = "";
    let mut keys = BTreeSet::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix('['), line.split_once('=')) {
            (Some(_), _) => section = line,
            (None, Some(_)) => drop(keys.insert(format!("{section}{line}"))),
            (None, None) => panic!("{line}"),
        }
    }
    for key in [
        "[Service]ExecStart=/usr/local/bin/web-shop run /etc/web-shop/conf --log-format json",
        "[Service]ExecStartPre=/usr/local/bin/web-shop check /etc/web-shop/conf",
        "[Service]EnvironmentFile=-/etc/web-shop/env",
        "[Service]StateDirectory=web-shop",
        "[Service]WorkingDirectory=%S/web-shop",
        "[Service]Restart=on-failure",
        "[Service]RestartPreventExitStatus=2",
        "[Service]TimeoutStopSec=45",
        "[Install]WantedBy=multi-user.target",
    ] {
        assert!(keys.contains(key), "{key}");
    }
}

#[test]
fn the_image_is_built_of_what_the_project_depends_on() {
    let published = made("web-shop", &["--published"], "Dockerfile");
    assert!(!published.contains("--from=kisflow"), "{published}");
    let rust = env!("CARGO_PKG_RUST_VERSION");
    for line in [
        &*format!("FROM rust:{rust}-slim-bookworm AS build"),
        "COPY --from=build /build/target/release/web-shop /usr/local/bin/web-shop",
        "USER service",
        "VOLUME /data",
        "ENTRYPOINT [\"web-shop\", \"--conf\", \"/etc/web-shop/conf\"]",
        "CMD [\"run\", \"--log-format\", \"json\"]",
    ] {
        assert!(published.lines().any(|found| found == line), "{line}\n{published}");
    }
    let checkout = fs::canonicalize(WORKSPACE).unwrap();
    let checkout = checkout.to_str().unwrap();
    let built = made("web-shop", &[], "Dockerfile");
    assert!(built.contains(&format!("\nCOPY --from=kisflow [\".\", {checkout:?}]\n")), "{built}");
    let how = format!("# docker build -t web-shop --build-context kisflow={checkout:?} .\n");
    assert!(built.starts_with(&how), "{built}");
}

#[test]
fn the_manifests_of_kubernetes_ask_what_the_service_answers() {
    let text = made("Web_Shop", &[], "deploy/kubernetes.yml");
    let [set, service]: [Value; 2] =
        serde_saphyr::from_multiple::<Value>(&text).unwrap().try_into().unwrap();
    let pod = &set["spec"]["template"]["spec"];
    assert_eq!(pod["terminationGracePeriodSeconds"], 45);
    let container = &pod["containers"][0];
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        let asked = &container[probe]["httpGet"];
        assert_eq!((&asked["path"], &asked["port"]), (&path.into(), &"metrics".into()));
    }
    assert_eq!(container["ports"][0]["containerPort"], 8080);
    assert_eq!(container["ports"][1]["containerPort"], 9090);
    assert_eq!(set["metadata"]["name"], "web-shop");
    assert_eq!(service["spec"]["selector"]["app"], "web-shop");
}

#[test]
fn every_yaml_file_names_the_schema_and_has_one_document() {
    let dir = TempDir::new().unwrap();
    printed(kisflow(dir.path(), &["new", "shop"]), 0);
    let conf = dir.path().join("shop/conf");
    let mut seen = 0;
    for entry in fs::read_dir(&conf).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yml") {
            let text = fs::read_to_string(&path).unwrap();
            let schema = text.strip_prefix("# yaml-language-server: $schema=").unwrap();
            let schema = schema.lines().next().unwrap();
            assert!(conf.join(schema).is_file(), "{text}");
            assert!(!text.contains("---"), "{text}");
            seen += 1;
        }
    }
    assert_eq!(seen, 7);
}

/// Cargo.toml of a new project.
#[track_caller]
fn check_manifest(args: &[&str], lines: &[&str]) {
    let manifest = made("shop", args, "Cargo.toml");
    for line in lines {
        assert!(manifest.lines().any(|found| found == *line), "{line}\n{manifest}");
    }
}

#[test]
fn a_project_depends_on_the_checkout_that_the_command_was_built_from_or_that_is_named() {
    let checkout = fs::canonicalize(WORKSPACE).unwrap();
    let here = format!("kisflow = {{ path = {checkout:?}, features = [\"cli\", \"http\"] }}");
    check_manifest(&[], &[&here, "name = \"shop\""]);
    check_manifest(&["--kisflow-path", WORKSPACE], &[&here]);
    let published = "kisflow = { version = \"0.1\", features = [\"cli\", \"http\"] }";
    check_manifest(&["--published"], &[published]);
}

#[test]
fn a_project_below_a_workspace_is_none_of_its_members() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("Cargo.toml"), "[workspace]\nmembers = []\n").unwrap();
    printed(kisflow(dir.path(), &["new", "shop", "--path", "services/shop"]), 0);
    let manifest = fs::read_to_string(dir.path().join("services/shop/Cargo.toml")).unwrap();
    assert!(manifest.contains("\n[workspace]\n"), "{manifest}");
    assert!(!made("shop", &[], "Cargo.toml").contains("[workspace]"));
}

/// Refused with exit code 2 and this message, and nothing is made.
#[track_caller]
fn check_refused(args: &[&str], message: &str) {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("there")).unwrap();
    let said = printed(kisflow(dir.path(), &[&["new"], args].concat()), 2);
    assert_eq!(said, format!("kisflow: {message}\n"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(dir.path().join("there")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_made_is_refused_before_anything_is_written() {
    check_refused(&["there"], "there is there already; choose another place with `--path`");
    check_refused(
        &["shop", "--path", "there"],
        "there is there already; choose another place with `--path`",
    );
    check_refused(
        &["my shop"],
        "\"my shop\" cannot be the name of a program: only letters, digits, `-` and `_` may be in it",
    );
    check_refused(
        &["shop", "--kisflow-path", "there"],
        "there is no checkout of kisflow: it has no Cargo.toml",
    );
}

#[test]
fn the_command_prints_its_completions_man_page_and_schema() {
    let dir = TempDir::new().unwrap();
    for (args, part) in [
        (&["completions", "bash"][..], "kisflow"),
        (&["man"], ".TH kisflow"),
        (&["schema"], "https://json-schema.org/draft/2020-12/schema"),
        (&["new", "--help"], "--kisflow-path"),
    ] {
        let text = printed(kisflow(dir.path(), args), 0);
        assert!(text.contains(part), "{args:?}: {text}");
    }
}
