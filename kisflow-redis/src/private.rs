//! A redis-server for one test: on a free port, in a directory of its own, gone when it is dropped.
//!
//! A shell stands between: it becomes the server, and a child of it waits for the end of a pipe that
//! this process holds. However this process ends, killed too, the server ends with it.

use std::{
    env, fs,
    fs::File,
    io,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use kisflow_core::{ConnConf, Connector, Private, Result, ScratchDir};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{connect::Redis, params::RedisParams};

const PROGRAM: &str = "redis-server";
/// Longer than it takes to start, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether it is up.
const LOOK: Duration = Duration::from_millis(10);
/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 20;

/// `$1` is the directory, the rest what the server is told. The pipe is what stands at 0, which a
/// shell takes away from a process in the background unless it has another number.
const GUARDED: &str = r#"dir=$1; shift; exec 3<&0 </dev/null
(read -r end <&3; kill "$$"; rm -rf "$dir") >/dev/null 2>&1 &
exec redis-server "$@" 3<&-"#;

/// Starts a server and connects to it: `key` of the conf holds, and of its params what is not about
/// where the server is and who may talk to it.
pub(crate) async fn start(conf: &ConnConf, params: RedisParams) -> Result<Private<Redis>> {
    if !is_installed() {
        return Err(format!("a private engine of `type: redis` needs the program `{PROGRAM}`, and no directory of PATH has it; install it: `apt-get install redis-server`, `dnf install redis`, `brew install redis`").into());
    }
    let server = Server::start().await?;
    let addrs = format!("127.0.0.1:{}", server.port);
    let conf = conf.clone().addrs(addrs);
    Ok(Private::new(Redis::connect(&conf, alone(&params)).await?, server))
}

/// The params for a server that asks nobody for a password.
fn alone(params: &RedisParams) -> RedisParams {
    let RedisParams { database, pool, command_timeout, ttl, .. } = *params;
    RedisParams { database, pool, command_timeout, ttl, ..RedisParams::default() }
}

fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(PROGRAM).is_file())
}

struct Server {
    port: u16,
    child: Child,
    dir: ScratchDir,
}

impl Server {
    async fn start() -> Result<Self> {
        let mut log = String::new();
        for _ in 0..ATTEMPTS {
            let mut server = Self::spawn()?;
            if server.is_up().await? {
                return Ok(server);
            }
            log = server.log();
        }
        let last = log.lines().last().unwrap_or("it says nothing");
        Err(format!("`{PROGRAM}` does not start: {last}").into())
    }

    fn spawn() -> Result<Self> {
        let failed = |error: io::Error| format!("`{PROGRAM}` cannot be started: {error}");
        let dir = ScratchDir::new().map_err(failed)?;
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = port.map_err(failed)?.port();
        let log = File::create(dir.path().join("log")).map_err(failed)?;
        let mut command = Command::new("sh");
        command.args(["-c", GUARDED, PROGRAM]).arg(dir.path());
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"]).arg(dir.path());
        command.args(["--save", "", "--appendonly", "no"]);
        command.stdin(Stdio::piped()).stderr(log.try_clone().map_err(failed)?).stdout(log);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { port, child, dir })
    }

    /// Whether it came up; not, when it ended, as it does when its port is taken.
    async fn is_up(&mut self) -> Result<bool> {
        let end = Instant::now() + PATIENCE;
        loop {
            // Another server may be what answers at a port that this one did not get.
            if matches!(timeout(PATIENCE, self.answers()).await, Ok(Ok(true))) {
                return Ok(true);
            }
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if Instant::now() > end {
                return Err(format!("`{PROGRAM}` does not answer within {PATIENCE:?}").into());
            }
            sleep(LOOK).await;
        }
    }

    /// Whether the server at the port is this one.
    async fn answers(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"INFO server\r\nQUIT\r\n").await?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await?;
        let own = format!("process_id:{}\r", self.child.id());
        Ok(String::from_utf8_lossy(&said).contains(&own))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of the pipe is what the guard waits for.
        drop(self.child.stdin.take());
        // It has ended already, or ends now: there is nobody to tell of anything else.
        drop(self.child.wait());
    }
}
