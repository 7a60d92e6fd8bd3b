//! Passwords and TLS.

use kisflow_core::{Connector, Secret, error_chain};
use kisflow_postgres::{Postgres, PostgresParams};

use super::{
    postgres_server::PostgresServer,
    world::{conf, execute},
};

async fn connect(url: &str, change: impl FnOnce(&mut PostgresParams)) -> Result<Postgres, String> {
    let mut params = PostgresParams::default();
    change(&mut params);
    let connected = Postgres::connect(&conf(url), params).await;
    connected.map_err(|error| error_chain(&*error).to_string())
}

/// Sets who may connect and how: lines of pg_hba.conf.
async fn let_in(url: &str, lines: &str) {
    let set = format!(
        "do $$ begin execute format('copy (select unnest(string_to_array(''{lines}'', ''|''))) \
            to %L', current_setting('hba_file')); end $$"
    );
    execute(url, &set).await;
    execute(url, "select pg_reload_conf()").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_asked_for_and_checked() {
    let server = PostgresServer::start();
    execute(&server.url(), "create role guarded login password 'correct'").await;
    let_in(&server.url(), "host all guarded all scram-sha-256|host all all all trust").await;
    let url = server.url().replace("kisflow@", "guarded@");
    let place = format!("127.0.0.1:{}/postgres", server.port());
    // The server reads its file some time after it was told to.
    let missing = loop {
        if let Err(error) = connect(&url, |_| {}).await {
            break error;
        }
    };
    assert_eq!(missing, format!("{place} requires a password; set `password_env`"));
    let wrong = connect(&url, |params| params.password = Some(Secret::from("hunter2"))).await;
    let wrong = wrong.unwrap_err();
    let refused = format!("{place} refused the user name or the password; check `password_env`");
    assert!(wrong.starts_with(&refused) && !wrong.contains("hunter2"), "{wrong}");
    let right = |params: &mut PostgresParams| params.password = Some(Secret::from("correct"));
    connect(&url, right).await.unwrap().ping().await.unwrap();
}

#[cfg(feature = "tls")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked_with_the_authorities_that_are_named() {
    let server = PostgresServer::start();
    let sql = async |sql: &str| execute(&server.url(), sql).await;
    sql("copy (select) to program 'openssl req -new -x509 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
        -out server.crt -keyout server.key 2>server.log'")
    .await;
    sql("alter system set ssl = on").await;
    sql("select pg_reload_conf()").await;
    let certificate = sql("select pg_read_file('server.crt')").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem").to_str().unwrap().to_owned();
    std::fs::write(&ca, certificate).unwrap();

    let url = format!("{}?sslmode=require", server.url());
    let place = format!("127.0.0.1:{}/postgres", server.port());
    let no_tls = format!("{place} does not speak TLS; drop `sslmode` from the URL");
    let unknown = loop {
        match connect(&url, |_| {}).await.unwrap_err() {
            // The server reads its file some time after it was told to.
            error if error == no_tls => {}
            error => break error,
        }
    };
    let not_trusted =
        format!("the certificate of {place} is not trusted; name its authority in `tls_ca`");
    assert!(unknown.starts_with(&not_trusted), "{unknown}");
    let trusting = |params: &mut PostgresParams| params.tls_ca = Some(ca.clone());
    let connected = connect(&url, trusting).await.unwrap();
    let encrypted = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
        where application_name = 'kisflow:store' and ssl";
    assert_eq!(sql(encrypted).await.as_deref(), Some("1"));
    drop(connected);

    let_in(&server.url(), "hostssl all all all trust").await;
    let plain = loop {
        if let Err(error) = connect(&server.url(), |_| {}).await {
            break error;
        }
    };
    let advice =
        format!("{place} refuses connections without TLS; add `sslmode=require` to the URL");
    assert!(plain.starts_with(&advice), "{plain}");
    connect(&url, trusting).await.unwrap().ping().await.unwrap();
}
