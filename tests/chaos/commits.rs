//! Several processes commit on the same entries of a store and are killed at any point of it, and so
//! is the server: no update is lost, and what is said of a commit is true.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Child, Command},
};

use kisflow::ConnConf;
use tempfile::TempDir;

use crate::{
    postgres_server::PostgresServer,
    process::{any_instant, entries, example_path, random},
    redis_server::RedisServer,
    server::poll,
};

/// How often a process or the server is killed.
const DEATHS: u64 = 40;
const PROCESSES: usize = 3;

struct Committers {
    dir: TempDir,
    conn: ConnConf,
    running: Vec<Child>,
    names: Vec<String>,
}

impl Committers {
    fn log(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&mut self) {
        let name = format!("p{}", self.names.len());
        let mut command = Command::new(example_path("chaos_committer"));
        command.args([&self.conn.engine, &self.conn.addrs, &name]).arg(self.log(&name));
        self.running.push(command.spawn().unwrap());
        self.names.push(name);
    }

    fn kill_one(&mut self) {
        let which = usize::try_from(random(self.running.len() as u64)).unwrap();
        let mut child = self.running.swap_remove(which);
        assert_eq!(child.try_wait().unwrap(), None, "a process ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The commits of which the logs say this word, by process and number.
    fn said(&self, word: &str) -> BTreeSet<(String, u64)> {
        let mut said = BTreeSet::new();
        for name in &self.names {
            let text = fs::read_to_string(self.log(name)).unwrap_or_default();
            // A process that is killed may leave half a line.
            let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let numbers = lines.filter_map(|line| line.strip_prefix(word)?.trim().parse().ok());
            said.extend(numbers.map(|number| (name.clone(), number)));
        }
        said
    }
}

fn check(conn: ConnConf, mut restart: impl FnMut()) {
    let mut committers =
        Committers { dir: TempDir::new().unwrap(), conn, running: Vec::new(), names: Vec::new() };
    (0..PROCESSES).for_each(|_| committers.start());
    for death in 1..=DEATHS {
        let done = committers.said("done ").len() as u64;
        let more = 1 + random(60);
        assert!(
            poll(|| committers.said("done ").len() as u64 >= done + more),
            "no commit is done any more"
        );
        any_instant(5);
        match death % 4 {
            0 => restart(),
            _ => {
                committers.kill_one();
                committers.start();
            }
        }
    }
    while !committers.running.is_empty() {
        committers.kill_one();
    }
    let records: BTreeSet<(String, u64)> = entries(&committers.conn, "records")
        .iter()
        .map(|(key, _)| {
            let parts: Vec<_> =
                kisflow::durable::key_parts(key).map(std::result::Result::unwrap).collect();
            (parts[0].as_text().unwrap().to_owned(), parts[1].as_number().unwrap())
        })
        .collect();
    let balances: u64 = entries(&committers.conn, "accounts")
        .iter()
        .map(|(_, entry)| std::str::from_utf8(&entry.value).unwrap().parse::<u64>().unwrap())
        .sum();
    let (sent, done) = (committers.said("sent "), committers.said("done "));
    let (refused, lost) = (committers.said("refused "), committers.said("lost "));
    println!(
        "{}: {} commits sent by {} processes, {} done, {} refused, {} without an answer",
        committers.conn.engine,
        sent.len(),
        committers.names.len(),
        done.len(),
        refused.intersection(&sent).count(),
        sent.len() - done.len() - refused.intersection(&sent).count(),
    );
    assert_eq!(balances, 2 * records.len() as u64, "an update is lost, or was made twice");
    let missing: Vec<_> = done.difference(&records).collect();
    assert!(missing.is_empty(), "they were said to be done: {missing:?}");
    let unknown: Vec<_> = records.difference(&sent).collect();
    assert!(unknown.is_empty(), "nobody has sent them: {unknown:?}");
    let denied: Vec<_> = records.intersection(&refused).collect();
    assert!(denied.is_empty(), "they were said to be refused: {denied:?}");
    assert!(lost.len() < done.len() / 10, "{lost:?}");
    assert!(!refused.is_empty(), "no two commits met");
}

#[test]
fn commits_of_three_processes_on_postgres_are_all_or_nothing_over_every_death() {
    let server = std::cell::RefCell::new(PostgresServer::start_with(&[]));
    let conn = ConnConf::new("facts", "postgres").addrs(server.borrow().url());
    check(conn, || server.borrow_mut().restart());
}

#[test]
fn commits_of_three_processes_on_redis_are_all_or_nothing_over_every_death() {
    let server = std::cell::RefCell::new(RedisServer::start(&[
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
    ]));
    let conn = ConnConf::new("facts", "redis").addrs(server.borrow().addr());
    check(conn, || server.borrow_mut().restart());
}
