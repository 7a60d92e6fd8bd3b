//! A server for one test: on a free port, in a directory of its own, gone when it is dropped.
//!
//! A shell stands between: it becomes the server, and a child of it waits for the end of a pipe that
//! this process holds. However this process ends, killed too, the server ends with it.

use std::{
    fs,
    fs::File,
    io,
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use kisflow_core::{ConnConf, Connector, Private, Result, ScratchDir};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

use crate::{connect::Postgres, params::PostgresParams};

/// Longer than it takes to create a database and to start, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is asked whether it is up.
const LOOK: Duration = Duration::from_millis(20);
/// Another process may take a port between the look and the start.
const ATTEMPTS: usize = 20;

/// What a test's server need not do: nothing of it outlives the test.
const OPTIONS: [&str; 3] = ["--fsync=off", "--synchronous_commit=off", "--full_page_writes=off"];

/// The pipe is what stands at 0, which a shell takes away from a process in the background unless
/// it has another number. QUIT ends the server at once.
const GUARD: &str = r#"exec 3<&0 </dev/null
(read -r end <&3; kill -s QUIT "$$"; while kill -s 0 "$$"; do sleep 0.1; done; rm -rf "$1") >/dev/null 2>&1 &
exec 3<&-
"#;

/// Starts a server and connects to it: `key` of the conf holds, and of its params what is not about
/// where the server is and who may talk to it.
pub(crate) async fn start(conf: &ConnConf, params: PostgresParams) -> Result<Private<Postgres>> {
    let server = Server::start().await?;
    let conf = conf.clone().addrs(server.url());
    let params = PostgresParams { password: None, password_env: None, tls_ca: None, ..params };
    Ok(Private::new(Postgres::connect(&conf, params).await?, server))
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
            if !log.contains("could not bind") {
                break;
            }
        }
        let last = log.lines().last().unwrap_or("it says nothing");
        Err(format!("a private engine of `type: postgres` does not start: {last}; it needs the programs `initdb` and `postgres`: `apt-get install postgresql`, `dnf install postgresql-server`, `brew install postgresql@17 && brew link --force postgresql@17`").into())
    }

    fn spawn() -> Result<Self> {
        let failed = |error: io::Error| format!("`postgres` cannot be started: {error}");
        let dir = ScratchDir::new().map_err(failed)?;
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = port.map_err(failed)?.port();
        let log = File::create(dir.path().join("log")).map_err(failed)?;
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{GUARD}{}", include_str!("server.sh")), "sh"]);
        command.arg(dir.path()).arg(port.to_string()).args(OPTIONS);
        command.stdin(Stdio::piped()).stderr(log.try_clone().map_err(failed)?).stdout(log);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { port, child, dir })
    }

    fn url(&self) -> String {
        format!("postgres://kisflow@127.0.0.1:{}/postgres", self.port)
    }

    /// Whether it came up; not, when it ended, as it does when its port is taken.
    async fn is_up(&mut self) -> Result<bool> {
        let end = Instant::now() + PATIENCE;
        loop {
            if matches!(timeout(PATIENCE, self.answers()).await, Ok(Ok(true))) {
                return Ok(true);
            }
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if Instant::now() > end {
                return Err(format!("`postgres` does not answer within {PATIENCE:?}").into());
            }
            sleep(LOOK).await;
        }
    }

    /// Whether the server at the port is this one: another one may have got it.
    async fn answers(&self) -> Result<bool> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await?;
        let ask = async {
            let row = client.query_one("select current_setting('data_directory')", &[]).await?;
            let directory: String = row.try_get(0)?;
            drop(client);
            Ok::<_, tokio_postgres::Error>(directory)
        };
        let (directory, _) = tokio::join!(ask, connection);
        let own = fs::canonicalize(self.dir.path().join("data"))?;
        Ok(fs::canonicalize(directory?)? == own)
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
