//! A redis-server for one test: on a free port, in a directory of its own, gone when it is dropped.

use std::env;

use kisflow_core::{
    ConnConf, Connector, Private, PrivateServer, PrivateServerConf, PrivateServerPlace, Result,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{connect::Redis, params::RedisParams};

const PROGRAM: &str = "redis-server";
const HELP: &str =
    "install it: `apt-get install redis-server`, `dnf install redis`, `brew install redis`";
const SERVER: PrivateServerConf<'_> = PrivateServerConf {
    program: PROGRAM,
    script: r#"exec redis-server --port "$2" --bind 127.0.0.1 --dir "$1" --save "" --appendonly no"#,
    signal: "TERM",
    help: HELP,
};

/// Starts a server and connects to it: `key` of the conf holds, and of its params what is not about
/// where the server is and who may talk to it.
pub(crate) async fn start(conf: &ConnConf, params: RedisParams) -> Result<Private<Redis>> {
    if !is_installed() {
        return Err(format!("a private engine of `type: redis` needs the program `{PROGRAM}`, and no directory of PATH has it; {HELP}").into());
    }
    let server = PrivateServer::start(SERVER, answers).await?;
    let addrs = format!("127.0.0.1:{}", server.place().port);
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

/// Whether the server at the port is this one: another one may have got it.
async fn answers(place: PrivateServerPlace) -> Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", place.port)).await?;
    stream.write_all(b"INFO server\r\nQUIT\r\n").await?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await?;
    let own = format!("process_id:{}\r", place.process);
    Ok(String::from_utf8_lossy(&said).contains(&own))
}
