//! What cannot be connected, and what is said then.

use bytes::Bytes;
use kisflow_core::{
    Connector, Secret,
    durable::{Commit, CommitError, Key},
    error_chain,
};
use kisflow_postgres::{Postgres, PostgresError, PostgresParams};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::{
    postgres_server::PostgresServer,
    server::{PATIENCE, free_port},
    world::{conf, connect, connect_with, durable, execute},
};

async fn refused(url: &str, params: PostgresParams) -> String {
    let error = Postgres::connect(&conf(url), params).await.unwrap_err();
    assert!(error.downcast_ref::<PostgresError>().unwrap().is_connect(), "{error:?}");
    error_chain(&*error).to_string()
}

#[tokio::test]
async fn a_refused_connection_names_the_place_and_what_to_do() {
    let default = PostgresParams::default;
    let port = free_port();
    let said = refused(&format!("postgres://me@127.0.0.1:{port}/orders"), default()).await;
    assert_eq!(said, format!("nothing listens at 127.0.0.1:{port}/orders (connection refused)"));

    let server = PostgresServer::start();
    let said = refused(
        &server
            .url()
            .replace(&format!("{}/postgres", server.port()), &format!("{}/none", server.port())),
        default(),
    )
    .await;
    let place = format!("127.0.0.1:{}", server.port());
    assert_eq!(
        said,
        format!(
            "{place}/none does not exist; create the database with `createdb`: database \"none\" does not exist (3D000)"
        )
    );
    let said = refused(&format!("{}?sslmode=require", server.url()), default()).await;
    assert_eq!(said, format!("{place}/postgres does not speak TLS; drop `sslmode` from the URL"));
    let mut params = default();
    params.password = Some(Secret::from("hunter2"));
    let nobody = server.url().replace("kisflow@", "nobody@");
    let said = refused(&nobody, params).await;
    assert!(
        said.starts_with(&format!("no connection to {place}/postgres: role \"nobody\"")),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_conf_that_cannot_be_right_is_a_problem_of_its_key() {
    let check = |addrs: &str, params: PostgresParams, path: &str| {
        let found = Postgres::check(&conf(addrs), &params);
        assert_eq!(found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), [path]);
    };
    check("localhost:5432", PostgresParams::default(), "addrs");
    let mut none = PostgresParams::default();
    none.pool = 0;
    check("postgres://me@db", none, "params");
    let mut unset = PostgresParams::default();
    unset.password_env = Some("KISFLOW_TEST_IS_NOT_SET".to_owned());
    assert_eq!(Postgres::check(&conf("postgres://me@db"), &unset), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgres_cannot_hold_is_refused() {
    let server = PostgresServer::start();
    let store = durable(&connect(&server).await);
    let invalid = async |commit: Commit| match store.commit(&commit).await {
        Err(CommitError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = "the space of a\0b:  has a NUL in it";
    assert_eq!(invalid(Commit::new().put(Key::new("a\0b"), "x")).await, why);
    let (key, large) = (Key::new("s").text("large"), Bytes::from(vec![0; (512 << 20) + 1]));
    let why = "the value of s: \"large\" is larger than 512 MiB";
    assert_eq!(invalid(Commit::new().put(key, large)).await, why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_has_no_more_connections_than_its_size() {
    let server = PostgresServer::start();
    let postgres = connect_with(&server, |params| {
        (params.pool, params.command_timeout) = (2, PATIENCE);
    })
    .await;
    let store = durable(&postgres);
    store.commit(&Commit::new().put(Key::new("a"), "1")).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute("begin; select from kisflow.entries for update").await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let store = store.clone();
        tasks.spawn(async move { store.commit(&Commit::new().put(Key::new("a"), "2")).await });
    }
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
    while execute(&server.url(), waiting).await.as_deref() != Some("2") {}
    let all = "select count(*) from pg_stat_activity where application_name = 'kisflow:store'";
    assert_eq!(execute(&server.url(), all).await.as_deref(), Some("2"));
    client.batch_execute("rollback").await.unwrap();
    for result in tasks.join_all().await {
        result.unwrap();
    }
    drop(client);
    connection.await.unwrap().unwrap();
}
