//! A worker process, and the stage that it plays on: its conf, and the Redis that it counts in.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use kisflow::{
    ConnConf, Postgres, Redb, Redis, Registry,
    durable::{Entry, Scan},
};
use tempfile::TempDir;

use crate::{redis_server::RedisServer, server::poll};

/// The rows of a test.
pub(crate) const ROWS: u64 = 100_000;

/// The conf of a flow that counts in Redis, and the Redis.
pub(crate) struct Stage {
    pub(crate) redis: RedisServer,
    pub(crate) dir: TempDir,
}

impl Stage {
    /// A stage whose Redis survives a kill. `source` is the rest of the source's conf.
    pub(crate) fn new(source: &str) -> Self {
        // With `everysec` Redis puts off a write while a sync goes on, and has answered meanwhile: a
        // kill would lose what it said it had.
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let stage = Self { redis, dir: TempDir::new().unwrap() };
        stage.conf(
            "flow.yml",
            "kistype: flow\nflow_name: Numbers\nsource: numbers\nflows:\n  - fname: CountInRedis\n",
        );
        stage.conf(
            "func.yml",
            "kistype: func\nfname: CountInRedis\nfmode: Save\noption: {cname: counts}\n",
        );
        stage.conf("conn.yml", &format!(
            "kistype: conn\ncname: counts\ntype: redis\naddrs: {}\nparams: {{command_timeout_ms: 2000, reconnect_max_ms: 200}}\n",
            stage.redis.addr()
        ));
        stage.conf(
            "source.yml",
            &format!(
                "kistype: source\nsname: numbers\nbatch: {{rows: 500, wait_ms: 5}}\n{source}\n"
            ),
        );
        let kept = stage.path("kept.redb");
        stage.conf(
            "kept.yml",
            &format!("kistype: conn\ncname: kept\ntype: redb\naddrs: {}\n", kept.display()),
        );
        stage.conf("global.yml", "kistype: global\nquarantine: {cname: kept}\ngrace_ms: 10000\n");
        stage
    }

    /// Writes a file of conf.
    pub(crate) fn conf(&self, file: &str, text: &str) {
        let dir = self.path("conf");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(file), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, &[])
    }

    pub(crate) fn worker_with(&self, name: &str, arguments: &[&str]) -> Worker {
        self.worker_of("conf", name, arguments)
    }

    /// Starts a worker with another directory of conf.
    pub(crate) fn worker_of(&self, dir: &str, name: &str, arguments: &[&str]) -> Worker {
        let mut command = Command::new(worker_path());
        command.arg(self.path(dir)).arg(name).args(arguments);
        self.start(name, command)
    }

    /// Starts a worker that can make no file larger than so many bytes: what a full disk is to it.
    pub(crate) fn limited(&self, name: &str, bytes: u64) -> Worker {
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 1024);
        command.args(["-c", &script, "bash"]).arg(worker_path()).arg(self.path("conf")).arg(name);
        self.start(name, command)
    }

    fn start(&self, name: &str, mut command: Command) -> Worker {
        let log = self.path(&format!("{name}.log"));
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::options().create(true).append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        Worker { child, log }
    }

    /// The logs of all workers.
    pub(crate) fn logs(&self) -> String {
        let files = fs::read_dir(self.dir.path()).unwrap().map(|file| file.unwrap().path());
        let logs = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        logs.map(|log| fs::read_to_string(log).unwrap()).collect()
    }

    /// The ids of the rows in quarantine.
    pub(crate) fn quarantined(&self) -> Vec<u64> {
        let id = |entry: &[u8]| {
            let entry: serde_json::Value = serde_json::from_slice(entry).unwrap();
            let row: serde_json::Value =
                serde_json::from_str(entry["row"].as_str().unwrap()).unwrap();
            row["id"].as_u64().unwrap()
        };
        let entries = self.kept("quarantine");
        let mut ids: Vec<u64> = entries.iter().map(|(_, entry)| id(&entry.value)).collect();
        ids.sort_unstable();
        ids
    }

    /// No row waits in the store, and nothing that belongs to such rows is left but the lease of a worker
    /// that was killed: the next that needs it takes it over.
    pub(crate) fn assert_none_waits(&self) {
        for space in ["waiting", "waiting_by_time"] {
            assert_eq!(self.kept(space).len(), 0, "{space}");
        }
        let counters = self.kept("waiting_usage");
        assert!(counters.iter().all(|(_, counter)| counter.count() == 0), "{counters:?}");
    }

    /// The connector of the embedded store.
    pub(crate) fn redb(&self) -> ConnConf {
        ConnConf::new("kept", "redb").addrs(self.path("kept.redb").display().to_string())
    }

    /// Returns the entries of a space of the embedded store. No worker may have it open.
    fn kept(&self, space: &str) -> Vec<(Bytes, Entry)> {
        entries(&self.redb(), space)
    }

    /// How many different ids have been delivered.
    pub(crate) fn delivered(&self) -> u64 {
        self.redis.cli(&["HLEN", "delivered"]).parse().unwrap_or_default()
    }

    /// How many rows each worker has delivered.
    pub(crate) fn by_worker(&self) -> BTreeMap<String, u64> {
        let lines = self.redis.cli(&["HGETALL", "workers"]);
        let lines: Vec<&str> = lines.lines().collect();
        lines.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap())).collect()
    }

    /// Waits until so many ids are there.
    pub(crate) fn until_delivered(&self, ids: u64, workers: &mut [&mut Worker]) {
        let mut seen = 0;
        let met = poll(|| {
            seen = self.delivered();
            workers.iter_mut().for_each(|worker| worker.assert_runs());
            seen >= ids
        });
        let logs: String = workers.iter().map(|worker| worker.log()).collect();
        assert!(met, "{seen} of {ids} ids are delivered, and no more come; the log:\n{logs}");
    }

    /// The last row of each key won, as an upsert needs it.
    pub(crate) fn assert_last_rows(&self, rows_of_a_key: u64) {
        let lines = self.redis.cli(&["HGETALL", "last"]);
        let lines: Vec<u64> = lines.lines().map(|line| line.parse().unwrap()).collect();
        let stale: Vec<_> = lines
            .chunks_exact(2)
            .filter(|pair| pair[1] != pair[0] * rows_of_a_key + rows_of_a_key - 1)
            .collect();
        assert_eq!(lines.len() as u64, 2 * ROWS / rows_of_a_key);
        assert!(stale.is_empty(), "{} keys have an older row: {stale:?}", stale.len());
    }

    /// Every id is there; how many came more than once, and how often more.
    pub(crate) fn repeats(&self, ids: impl Iterator<Item = u64>) -> u64 {
        let lines = self.redis.cli(&["HGETALL", "delivered"]);
        let lines: Vec<&str> = lines.lines().collect();
        let counts: BTreeMap<u64, u64> = lines
            .chunks_exact(2)
            .map(|pair| (pair[0].parse().unwrap(), pair[1].parse().unwrap()))
            .collect();
        let missing: Vec<u64> = ids.filter(|id| !counts.contains_key(id)).collect();
        assert!(missing.is_empty(), "{} rows are lost: {missing:?}", missing.len());
        counts.values().map(|count| count - 1).sum()
    }
}

/// Returns the entries of a space of a store.
pub(crate) fn entries(conf: &ConnConf, space: &str) -> Vec<(Bytes, Entry)> {
    let registry = Registry::new().connector::<Redb>().connector::<Redis>().connector::<Postgres>();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let durable = registry.durable(conf).await.unwrap();
        let (mut scan, mut entries) = (Scan::of(space), Vec::new());
        loop {
            let page = durable.scan(&scan).await.unwrap();
            let Some((last, _)) = page.last() else { return entries };
            scan = scan.after(last.clone());
            entries.extend(page);
        }
    })
}

/// The worker beside the test's own program.
fn worker_path() -> PathBuf {
    example_path("chaos_worker")
}

/// A program beside the test's own.
pub(crate) fn example_path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not built; `cargo xtask test` and `cargo xtask chaos` build it with the tests",
        path.display()
    );
    path
}

/// A worker process; killed when it is dropped.
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
}

impl Worker {
    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub(crate) fn assert_runs(&mut self) {
        let exited = self.child.try_wait().unwrap();
        assert!(
            exited.is_none(),
            "a worker ended by itself ({exited:?}); its log:\n{}",
            self.log()
        );
    }

    /// Waits until it serves.
    pub(crate) fn until_open(&self) {
        assert!(poll(|| self.log().contains("the source is open")), "{}", self.log());
    }

    /// Tells it to stop, once it serves, and gives what it printed.
    pub(crate) fn stop(mut self) -> String {
        self.until_open();
        self.signal("TERM");
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let status = self.child.wait().unwrap();
        assert!(
            status.success(),
            "a worker that is told to stop exits with 0, not {status}; its log:\n{}",
            self.log()
        );
        assert!(printed.contains(" unaccounted 0\n"), "{printed}");
        printed
    }

    /// Waits until it ends by itself, and gives what it printed.
    pub(crate) fn wait(mut self) -> String {
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "a worker failed ({status}); its log:\n{}", self.log());
        assert!(printed.contains(" unaccounted 0\n"), "{printed}");
        printed
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number of what a worker printed: `delivered`, `quarantined`, …
pub(crate) fn number(printed: &str, word: &str) -> u64 {
    let mut words = printed.split_whitespace();
    words.find(|found| *found == word).unwrap_or_else(|| panic!("no {word} in {printed}"));
    words.next().unwrap().parse().unwrap()
}

/// Some time, which nobody waits for: when something is to happen at a random instant.
pub(crate) fn any_instant(most_ms: u64) {
    std::thread::sleep(Duration::from_micros(random(most_ms * 1_000)));
}

/// A number below `end`. Each test prints its seed, which `CHAOS_SEED` gives again: the same rows are
/// waited for, and the same pauses made. What runs meanwhile is up to the machine.
pub(crate) fn random(end: u64) -> u64 {
    thread_local! {
        static RANDOM: RefCell<fastrand::Rng> = RefCell::new({
            let seed = std::env::var("CHAOS_SEED").ok().map(|seed| seed.parse().expect("CHAOS_SEED: a number"));
            let seed = seed.unwrap_or_else(|| fastrand::u64(..));
            println!("{}: CHAOS_SEED={seed}", std::thread::current().name().unwrap_or_default());
            fastrand::Rng::with_seed(seed)
        });
    }
    RANDOM.with_borrow_mut(|random| random.u64(..end.max(1)))
}
