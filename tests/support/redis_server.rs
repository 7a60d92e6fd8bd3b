//! A private redis-server: on a port and in a directory of its own, gone when it is dropped.

use std::{
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Longer than a server takes to start, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct RedisServer {
    child: Option<Child>,
    port: u16,
    dir: TempDir,
    options: Vec<String>,
    /// What redis-cli needs to talk to it: `-a`, `--tls`, …
    cli: Vec<String>,
    /// The file of conf that a sentinel works on.
    sentinel: Option<PathBuf>,
}

impl RedisServer {
    /// Starts a server with options as on redis-server's command line.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// Starts a server that redis-cli needs options for. An option `{port}` is the port.
    pub(crate) fn start_with(options: &[&str], cli: &[&str]) -> Self {
        Self::start_any(options, cli, None)
    }

    /// Starts a sentinel that watches what a file of conf says, and writes to it.
    pub(crate) fn start_sentinel(conf: &Path) -> Self {
        Self::start_any(&[], &[], Some(conf.to_owned()))
    }

    fn start_any(options: &[&str], cli: &[&str], sentinel: Option<PathBuf>) -> Self {
        let dir = TempDir::new().unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let cli = cli.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { child: None, port: 0, dir, options, cli, sentinel };
        // Another process may take the port between the look and the bind.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server did not start; its log:\n{}", server.log());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What redis-cli prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = self.cli_command().args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again, on the same port and in the same directory.
    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "redis-server did not start again; its log:\n{}", self.log());
    }

    /// `STOP` freezes it: it accepts and never answers. `CONT` goes on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Polls until redis-cli prints what is wanted.
    pub(crate) fn until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) {
        let mut last = String::new();
        let met = poll(|| {
            last = self.cli(arguments);
            wanted(&last)
        });
        assert!(met, "redis-cli {arguments:?} still prints: {last}");
    }

    /// Whether it came up; not, when its port was taken.
    fn launch(&mut self) -> bool {
        let log = File::create(self.log_path()).unwrap();
        let port = self.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(&self.sentinel);
        if !self.options.iter().any(|option| option == "{port}") {
            command.args(["--port", &port]);
        }
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(self.dir.path());
        match self.sentinel {
            Some(_) => command.arg("--sentinel"),
            None => command.args(["--save", "", "--appendonly", "no"]),
        };
        command.args(self.options.iter().map(|option| option.replace("{port}", &port)));
        let child = command.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn();
        self.child = Some(match child {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!(
                    "these tests need redis-server and redis-cli 7 or later: `apt-get install redis-server`, `brew install redis`"
                )
            }
            Err(error) => panic!("redis-server cannot be started: {error}"),
        });
        let answers = |server: &Self| {
            ["PONG", "NOAUTH"].iter().any(|word| server.cli(&["PING"]).contains(word))
        };
        let mut exited = false;
        let ready = poll(|| {
            exited = self.child.as_mut().unwrap().try_wait().unwrap().is_some();
            exited || answers(self)
        });
        assert!(ready, "redis-server does not answer PING; its log:\n{}", self.log());
        // It may be another process that answered at a port that this one did not get.
        !exited && self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    fn cli_command(&self) -> Command {
        let mut command = Command::new("redis-cli");
        command
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(&self.cli)
            .arg("--no-auth-warning");
        command
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that nothing listens at. Below those that systems hand out by themselves: none of the
/// connections that other tests make can take it while a server is restarted. A cluster's bus has
/// the port 10,000 above.
pub(crate) fn free_port() -> u16 {
    let seed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut port = seed;
    loop {
        port = 10_000 + port.wrapping_mul(31).wrapping_add(7) % 10_000;
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        {
            return port;
        }
    }
}

/// Asks until the answer is yes; `false` when patience ends.
pub(crate) fn poll(mut ready: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}
