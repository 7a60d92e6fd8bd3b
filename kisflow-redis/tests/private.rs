//! The server of a test: it ends with the process that started it, however that ends.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

use std::{
    env,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use kisflow_core::{ConnConf, Private};
use kisflow_redis::{
    Redis,
    fred::{interfaces::ClientLike, types::CustomCommand},
};

/// Set in the process that is to be killed.
const KILLED: &str = "KISFLOW_TEST_IS_KILLED";

/// Longer than a server takes to end, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn started() -> Private<Redis> {
    Private::start(&ConnConf::new("Own", "redis")).await.unwrap()
}

/// The port of a server, and its directory.
async fn place(redis: &Redis) -> (u16, PathBuf) {
    let said = |key: &'static str| async move {
        let config = CustomCommand::new_static("CONFIG", None, false);
        let said: Vec<String> = redis.client().custom(config, vec!["GET", key]).await.unwrap();
        said.into_iter().nth(1).unwrap()
    };
    (said("port").await.parse().unwrap(), said("dir").await.into())
}

#[track_caller]
fn check_gone(port: u16, dir: &Path) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_ok() || dir.exists() {
        assert!(Instant::now() < end, "port {port}, {}: still there", dir.display());
        thread::yield_now();
    }
}

#[tokio::test]
async fn a_server_and_its_directory_go_with_what_holds_it() {
    let redis = started().await;
    let (port, dir) = place(&redis).await;
    assert!(dir.is_dir());
    drop(redis);
    check_gone(port, &dir);
}

#[test]
fn a_server_and_its_directory_go_with_a_process_that_is_killed() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_process_that_is_killed", "--nocapture"])
        .env(KILLED, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let place = lines.map_while(Result::ok).find_map(|line| {
        let (port, dir) = line.strip_prefix("at ")?.split_once(' ')?;
        Some((port.parse().unwrap(), PathBuf::from(dir)))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let (port, dir) = place.unwrap();
    check_gone(port, &dir);
}

/// By itself it does nothing: the test above runs it in a process of its own.
#[tokio::test]
async fn the_process_that_is_killed() {
    if env::var_os(KILLED).is_none() {
        return;
    }
    let redis = started().await;
    let (port, dir) = place(&redis).await;
    println!("\nat {port} {}", dir.display());
    loop {
        thread::park();
    }
}
