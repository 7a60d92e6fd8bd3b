//! The rules that every engine keeps.

use kisflow_core::{Private, conformance};
use kisflow_postgres::Postgres;

use super::{
    postgres_server::PostgresServer,
    world::{Turns, conf, connect},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_keep_the_rules_of_durable() {
    let server = PostgresServer::start();
    let open = async || Turns::of(&[connect(&server).await]);
    conformance::durable(open().await, async |_| open().await, fastrand::u64(..)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_keep_the_rules_of_durable_through_two_connectors() {
    let server = PostgresServer::start();
    let open = async || Turns::of(&[connect(&server).await, connect(&server).await]);
    conformance::durable(open().await, async |_| open().await, fastrand::u64(..)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_keep_the_rules_of_storage() {
    let server = PostgresServer::start();
    conformance::storage(&connect(&server).await).await;
}

#[tokio::test]
async fn a_private_server_keeps_records() {
    conformance::storage(&*Private::<Postgres>::start(&conf("")).await.unwrap()).await;
}
