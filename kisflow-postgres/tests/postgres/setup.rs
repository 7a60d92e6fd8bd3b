//! The tables: who creates them, and who may use them.

use kisflow_core::{
    Connector,
    durable::{Commit, CommitError, Key},
    error_chain,
};
use kisflow_postgres::Postgres;
use tokio::task::JoinSet;

use super::{
    postgres_server::PostgresServer,
    world::{conf, connect, connect_with, durable, execute},
};

fn commit() -> Commit {
    Commit::new().put(Key::new("a"), "1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_create_the_tables_at_the_same_time() {
    let server = PostgresServer::start();
    for round in 0..10 {
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let schema = format!("Round {round} of \"10\" isn't odd");
            let postgres = connect_with(&server, |params| params.schema = schema).await;
            tasks.spawn(async move { durable(&postgres).commit(&commit()).await });
        }
        for result in tasks.join_all().await {
            result.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_creates_nothing() {
    let server = PostgresServer::start();
    let postgres = connect(&server).await;
    postgres.ping().await.unwrap();
    let schemas = "select count(*) from pg_namespace where nspname = 'kisflow'";
    assert_eq!(execute(&server.url(), schemas).await.as_deref(), Some("0"));
    let named = "select count(*) from pg_stat_activity where application_name = 'kisflow:store'";
    assert_eq!(execute(&server.url(), named).await.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_may_create_nothing_uses_tables_that_are_there() {
    let server = PostgresServer::start();
    execute(&server.url(), "create role guest login").await;
    let url = server.url().replace("kisflow@", "guest@");
    let guest = Postgres::connect(&conf(url), Default::default()).await.unwrap();
    let guest = durable(&guest);
    let refused = async || match guest.commit(&commit()).await {
        Err(CommitError::Outage(error)) => error_chain(&*error).to_string(),
        other => panic!("{other:?}"),
    };
    let place = format!("postgres at 127.0.0.1:{}/postgres", server.port());
    assert_eq!(
        refused().await,
        format!(
            "{place} does not let this user create the schema \"kisflow\" and its tables; grant it, or let the owner of the tables do it once: permission denied for database postgres (42501)"
        )
    );
    durable(&connect(&server).await).commit(&commit()).await.unwrap();
    let said = refused().await;
    assert!(said.contains("permission denied for schema kisflow"), "{said}");
    let grants = "grant usage on schema kisflow to guest; \
        grant select, insert, update, delete on all tables in schema kisflow to guest";
    execute(&server.url(), grants).await;
    guest.commit(&commit()).await.unwrap();
}
