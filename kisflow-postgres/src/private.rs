//! A server for one test: on a free port, in a directory of its own, gone when it is dropped.

use std::fs;

use kisflow_core::{
    ConnConf, Connector, Private, PrivateServer, PrivateServerConf, PrivateServerPlace, Result,
};
use tokio_postgres::NoTls;

use crate::{connect::Postgres, params::PostgresParams};

/// A test's server need not wait for its disk: nothing of it outlives the test.
const SERVER: PrivateServerConf<'_> = PrivateServerConf {
    program: "postgres",
    script: concat!(
        "set -- \"$1\" \"$2\" --fsync=off --synchronous_commit=off --full_page_writes=off\n",
        include_str!("server.sh")
    ),
    signal: "QUIT",
    help: "it needs the programs `initdb` and `postgres`: `apt-get install postgresql`, `dnf install postgresql-server`, `brew install postgresql@17 && brew link --force postgresql@17`",
};

/// Starts a server and connects to it: `key` of the conf holds, and of its params what is not about
/// where the server is and who may talk to it.
pub(crate) async fn start(conf: &ConnConf, params: PostgresParams) -> Result<Private<Postgres>> {
    let server = PrivateServer::start(SERVER, answers).await?;
    let conf = conf.clone().addrs(url(server.place()));
    let params = PostgresParams { password: None, password_env: None, tls_ca: None, ..params };
    Ok(Private::new(Postgres::connect(&conf, params).await?, server))
}

fn url(place: &PrivateServerPlace) -> String {
    format!("postgres://kisflow@127.0.0.1:{}/postgres", place.port)
}

/// Whether the server at the port is this one: another one may have got it.
async fn answers(place: PrivateServerPlace) -> Result<bool> {
    let (client, connection) = tokio_postgres::connect(&url(&place), NoTls).await?;
    let ask = async {
        let row = client.query_one("select current_setting('data_directory')", &[]).await?;
        let directory: String = row.try_get(0)?;
        drop(client);
        Ok::<_, tokio_postgres::Error>(directory)
    };
    let (directory, _) = tokio::join!(ask, connection);
    let own = fs::canonicalize(place.dir.join("data"))?;
    Ok(fs::canonicalize(directory?)? == own)
}
