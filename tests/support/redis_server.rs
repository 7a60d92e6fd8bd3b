//! A private redis-server, and what tests do with it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::server::{Program, Server, poll};

pub(crate) type RedisServer = Server<Redis>;

/// redis-server, as a server or as a sentinel.
pub(crate) struct Redis {
    /// As on its command line; `{port}` is the port.
    options: Vec<String>,
    /// What redis-cli needs to talk to it: `-a`, `--tls`, …
    cli: Vec<String>,
    /// The file of conf that a sentinel works on.
    sentinel: Option<PathBuf>,
}

impl Program for Redis {
    const PATHS: &'static [&'static str] = &["redis-server"];
    const MISSING: &'static str = "these tests need redis-server and redis-cli 7 or later: `apt-get install redis-server`, `brew install redis`";

    fn arguments(&self, command: &mut Command, port: u16, dir: &Path) {
        let port = port.to_string();
        command.args(&self.sentinel);
        if !self.options.iter().any(|option| option == "{port}") {
            command.args(["--port", &port]);
        }
        command.args(["--bind", "127.0.0.1", "--dir"]).arg(dir);
        match self.sentinel {
            Some(_) => command.arg("--sentinel"),
            None => command.args(["--save", "", "--appendonly", "no"]),
        };
        command.args(self.options.iter().map(|option| option.replace("{port}", &port)));
    }

    fn answers(&self, port: u16) -> bool {
        let said = said(self.cli(port).arg("PING"));
        ["PONG", "NOAUTH"].iter().any(|word| said.contains(word))
    }
}

impl Redis {
    fn cli(&self, port: u16) -> Command {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        command.args(&self.cli).arg("--no-auth-warning");
        command
    }
}

impl RedisServer {
    /// Starts a server with options as on redis-server's command line.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// Starts a server that redis-cli needs options for. An option `{port}` is the port.
    pub(crate) fn start_with(options: &[&str], cli: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self::of(Redis { options: owned(options), cli: owned(cli), sentinel: None })
    }

    /// Starts a sentinel that watches what a file of conf says, and writes to it.
    pub(crate) fn start_sentinel(conf: &Path) -> Self {
        let sentinel = Some(conf.to_owned());
        Self::of(Redis { options: Vec::new(), cli: Vec::new(), sentinel })
    }

    /// What redis-cli prints.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        said(self.program.cli(self.port()).args(arguments))
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
}

/// What a command prints.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
