//! [`PrivateServer`]: the program behind a [`Private`](super::Private) engine.

use std::{
    fs::{self, File},
    io,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::ScratchDir;
use crate::error::Result;

/// Longer than any server takes to start, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked whether it is up.
const LOOK: Duration = Duration::from_millis(20);
/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 20;

/// A shell becomes the server, and a child of it waits for the end of a pipe that this process holds.
/// However this process ends, killed too, the server ends with it. A shell takes the pipe at 0 away
/// from a process in the background, so it gets another number.
const GUARD: &str = r#"exec 3<&0 </dev/null
(read -r end <&3; kill -s "$SIGNAL" "$$"; while kill -s 0 "$$"; do sleep 0.1; done; rm -rf "$1") >/dev/null 2>&1 &
exec 3<&-
"#;

/// How to start the server of a [`Private`](super::Private) engine.
#[derive(Clone, Copy, Debug)]
pub struct PrivateServerConf<'a> {
    /// The program, for messages.
    pub program: &'a str,
    /// A script for `sh` that becomes the server by `exec`. `$1` is a directory of its own, in which
    /// `log` is taken; `$2` is a free port.
    pub script: &'a str,
    /// The signal that ends the server at once.
    pub signal: &'a str,
    /// What to tell a user when the server does not start.
    pub help: &'a str,
}

/// Where a server is, if it came up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrivateServerPlace {
    /// The port that it was given.
    pub port: u16,
    /// The id of its process.
    pub process: u32,
    /// Its directory.
    pub dir: PathBuf,
}

/// A server program for one test, on a free port of this machine and in a directory of its own. It
/// ends when this is dropped, or when this process ends in any way.
#[derive(Debug)]
pub struct PrivateServer {
    place: PrivateServerPlace,
    child: Child,
    _dir: ScratchDir,
}

impl PrivateServer {
    /// Starts a server, and waits until `answers` returns `true` for where it is: until the server
    /// at that port answers, and is this one. Errors of `answers` mean that it is not up yet.
    ///
    /// # Errors
    ///
    /// When the server ends before it answers, with the last line of its log; when it does not answer
    /// within two minutes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server.
    pub async fn start<F, A>(conf: PrivateServerConf<'_>, answers: F) -> Result<Self>
    where
        F: Fn(PrivateServerPlace) -> A,
        A: Future<Output = Result<bool>>,
    {
        let PrivateServerConf { program, help, .. } = conf;
        let mut log = String::new();
        for _ in 0..ATTEMPTS {
            let mut server = Self::spawn(conf)
                .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
            if server.is_up(program, &answers).await? {
                return Ok(server);
            }
            log = fs::read_to_string(server.place.dir.join("log")).unwrap_or_default();
            if !log.contains("bind") {
                break;
            }
        }
        let last = log.lines().last().unwrap_or("it says nothing");
        Err(format!("`{program}` does not start: {last}; {help}").into())
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &PrivateServerPlace {
        &self.place
    }

    fn spawn(conf: PrivateServerConf<'_>) -> io::Result<Self> {
        let dir = ScratchDir::new()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = File::create(dir.path().join("log"))?;
        let mut command = Command::new("sh");
        command.env("SIGNAL", conf.signal);
        command.args(["-c", &format!("{GUARD}{}", conf.script), "sh"]);
        command.arg(dir.path()).arg(port.to_string());
        command.stdin(Stdio::piped()).stderr(log.try_clone()?).stdout(log);
        let child = command.spawn()?;
        let place = PrivateServerPlace { port, process: child.id(), dir: dir.path().to_owned() };
        Ok(Self { place, child, _dir: dir })
    }

    /// Whether it came up; `false` when it ended, as it does when its port is taken.
    async fn is_up<F, A>(&mut self, program: &str, answers: &F) -> Result<bool>
    where
        F: Fn(PrivateServerPlace) -> A,
        A: Future<Output = Result<bool>>,
    {
        let end = Instant::now() + PATIENCE;
        loop {
            if matches!(timeout(PATIENCE, answers(self.place.clone())).await, Ok(Ok(true))) {
                return Ok(true);
            }
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if Instant::now() > end {
                return Err(format!("`{program}` does not answer within {PATIENCE:?}").into());
            }
            sleep(LOOK).await;
        }
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // The end of the pipe is what the guard waits for.
        drop(self.child.stdin.take());
        // Only its end matters here, not how it ended.
        drop(self.child.wait());
    }
}
