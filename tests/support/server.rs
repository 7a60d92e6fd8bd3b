//! A server of a test's own: on a free port and in a directory of its own, gone when it is dropped.

#![allow(dead_code, reason = "each test takes what it needs")]

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
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What to start, and how to know that it is up.
pub(crate) trait Program {
    /// Where it may be: the first that is there is started.
    const PATHS: &'static [&'static str];
    /// What to do where it is not.
    const MISSING: &'static str;

    /// What stands behind it on its command line.
    fn arguments(&self, command: &mut Command, port: u16, dir: &Path);

    /// Whether it answers at its port.
    fn answers(&self, port: u16) -> bool;
}

pub(crate) struct Server<P> {
    pub(crate) program: P,
    child: Option<Child>,
    port: u16,
    dir: TempDir,
}

impl<P: Program> Server<P> {
    pub(crate) fn of(program: P) -> Self {
        let mut server = Self { program, child: None, port: 0, dir: TempDir::new().unwrap() };
        // Another process may take the port between the look and the bind.
        for _ in 0..20 {
            server.port = free_port();
            if server.launch() {
                return server;
            }
        }
        panic!("{} did not start; its log:\n{}", P::PATHS[0], server.log());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
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

    /// Ends it as an administrator would: what it knows is in its store.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Starts it again, on the same port and in the same directory.
    pub(crate) fn restart(&mut self) {
        self.kill();
        // What a killed server has left behind may take a moment to end.
        let is_up = poll(|| self.launch());
        assert!(is_up, "{} did not start again; its log:\n{}", P::PATHS[0], self.log());
    }

    /// `STOP` freezes it: it accepts and never answers. `CONT` goes on.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Whether it came up; not, when its port was taken.
    fn launch(&mut self) -> bool {
        self.child = Some(self.spawn());
        let mut exited = false;
        let ready = poll(|| {
            exited = self.has_exited();
            exited || self.program.answers(self.port)
        });
        assert!(ready, "{} does not answer; its log:\n{}", P::PATHS[0], self.log());
        // It may be another process that answered at a port that this one did not get.
        !exited && !self.has_exited()
    }

    fn spawn(&self) -> Child {
        let log = File::create(self.log_path()).unwrap();
        for path in P::PATHS {
            let mut command = Command::new(path);
            self.program.arguments(&mut command, self.port, self.dir.path());
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap());
            match command.stderr(log.try_clone().unwrap()).spawn() {
                Ok(child) => return child,
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => panic!("{path} cannot be started: {error}"),
            }
        }
        panic!("{}", P::MISSING);
    }

    fn has_exited(&mut self) -> bool {
        self.child.as_mut().unwrap().try_wait().unwrap().is_some()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl<P> Drop for Server<P> {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that nothing listens at. Below those that systems hand out by themselves: none of the
/// connections that other tests make can take it while a server is restarted. A cluster's bus of
/// redis has the port 10,000 above.
pub(crate) fn free_port() -> u16 {
    let mut port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
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
