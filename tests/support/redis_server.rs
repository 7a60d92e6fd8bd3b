//! A private redis-server, and what tests do with it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
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
        let said = self.says(port, &["PING"]);
        ["PONG", "NOAUTH"].iter().any(|word| said.contains(word))
    }
}

impl Redis {
    /// What redis-cli prints. It is started only where options matter, because tests that poll would
    /// start hundreds.
    fn says(&self, port: u16, arguments: &[&str]) -> String {
        if self.cli.is_empty() && arguments.first().is_none_or(|first| !first.starts_with('-')) {
            return asked(port, arguments).unwrap_or_default().trim_end().to_owned();
        }
        said(self.cli(port).args(arguments))
    }

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
        self.program.says(self.port(), arguments)
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

/// What a server answers, as redis-cli prints it; nothing when the connection breaks.
fn asked(port: u16, arguments: &[&str]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let mut command = format!("*{}\r\n", arguments.len());
    for argument in arguments {
        command.push_str(&format!("${}\r\n{argument}\r\n", argument.len()));
    }
    stream.write_all(command.as_bytes()).ok()?;
    answer(&mut BufReader::new(stream))
}

/// Reads one answer: texts and numbers as they are, a list as a line for each of its parts.
fn answer(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (kind, rest) = line.strip_suffix("\r\n")?.split_at_checked(1)?;
    match kind {
        "$" => {
            // -1 is the length of what is missing.
            let Ok(length) = rest.parse::<usize>() else { return Some(String::new()) };
            let mut text = vec![0; length + "\r\n".len()];
            reader.read_exact(&mut text).ok()?;
            text.truncate(length);
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        "*" => {
            let parts = rest.parse().unwrap_or(0);
            let parts: Option<Vec<_>> = (0..parts).map(|_| answer(reader)).collect();
            Some(parts?.join("\n"))
        }
        _ => Some(rest.to_owned()),
    }
}
