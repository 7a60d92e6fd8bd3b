//! A private nats-server: on a port and in a directory of its own, gone when it is dropped.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use async_nats::{
    Client,
    jetstream::{self, stream},
};
use tempfile::TempDir;

/// Longer than a server takes to start, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Debian puts it where not every user's PATH leads.
const PROGRAMS: [&str; 2] = ["nats-server", "/usr/sbin/nats-server"];

pub(crate) struct NatsServer {
    child: Option<Child>,
    port: u16,
    dir: TempDir,
    options: Vec<String>,
}

impl NatsServer {
    /// Starts a server with JetStream.
    pub(crate) fn start() -> Self {
        Self::start_with(&["-js"])
    }

    /// Starts a server with options as on nats-server's command line: `-js` for JetStream, `--user`,
    /// `--tls`, …
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { child: None, port: 0, dir: TempDir::new().unwrap(), options };
        // Another process may take the port between the look and the bind.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("nats-server did not start; its log:\n{}", server.log());
    }

    pub(crate) fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends it as an administrator would: what it knows of consumers is in the store. (What it wrote
    /// of them in the moments before a crash is not.)
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Starts it again, on the same port and with the same store.
    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.launch(), "nats-server did not start again; its log:\n{}", self.log());
    }

    /// `STOP` freezes it: it accepts and never answers. `CONT` goes on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Another client than those under test.
    pub(crate) async fn client(&self) -> Client {
        async_nats::connect(self.addr()).await.unwrap()
    }

    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        jetstream::new(self.client().await)
    }

    /// Makes a stream in files.
    pub(crate) async fn create_stream(&self, name: &str, subjects: &[&str]) {
        let config = stream::Config {
            name: name.to_owned(),
            subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
            ..stream::Config::default()
        };
        self.jetstream().await.create_stream(config).await.unwrap();
    }

    /// Publishes rows in order; they are in the stream when it returns.
    pub(crate) async fn publish(&self, subject: &str, rows: impl IntoIterator<Item = String>) {
        let jetstream = self.jetstream().await;
        for row in rows {
            jetstream.publish(subject.to_owned(), row.into()).await.unwrap().await.unwrap();
        }
    }

    /// Whether it came up; not, when its port was taken.
    fn launch(&mut self) -> bool {
        let log = File::create(self.log_path()).unwrap();
        self.child = Some(spawn(self.dir.path(), self.port, &self.options, &log));
        let mut exited = false;
        let ready = poll(|| {
            exited = self.child.as_mut().unwrap().try_wait().unwrap().is_some();
            exited || greets(self.port)
        });
        assert!(ready, "nats-server does not greet; its log:\n{}", self.log());
        // It may be another process that greeted at a port that this one did not get.
        !exited && self.child.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(dir: &Path, port: u16, options: &[String], log: &File) -> Child {
    for program in PROGRAMS {
        let child = Command::new(program)
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
            .arg(dir)
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone().unwrap())
            .spawn();
        match child {
            Ok(child) => return child,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("nats-server cannot be started: {error}"),
        }
    }
    panic!(
        "these tests need nats-server 2.9 or later: `apt-get install nats-server`, `brew install nats-server`"
    )
}

/// Whether NATS stands at the port: it greets whoever connects.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut word = [0; 5];
    stream.read_exact(&mut word).is_ok() && &word == b"INFO "
}

/// A port that nothing listens at. Below those that systems hand out by themselves: none of the
/// connections that other tests make can take it while a server is restarted.
pub(crate) fn free_port() -> u16 {
    let mut port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    loop {
        port = 10_000 + port.wrapping_mul(31).wrapping_add(7) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Asks until the answer is yes; `false` when patience ends.
fn poll(mut ready: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + PATIENCE;
    while !ready() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}
