//! A cluster: each command finds its node, and keys that change together are on one.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use kisflow_core::{Source, conformance};
use tokio::time::timeout;

use crate::{
    redis_server::RedisServer,
    rules::durable,
    world::{done, next, open, orders, rows},
};

/// Three nodes that share the slots.
fn cluster() -> (Vec<RedisServer>, String) {
    let nodes: Vec<RedisServer> =
        (0..3).map(|_| RedisServer::start(&["--cluster-enabled", "yes"])).collect();
    let addrs: Vec<String> = nodes.iter().map(RedisServer::addr).collect();
    let mut create = vec!["--cluster", "create"];
    create.extend(addrs.iter().map(String::as_str));
    create.push("--cluster-yes");
    nodes[0].cli(&create);
    for node in &nodes {
        node.until(&["CLUSTER", "INFO"], |info| {
            info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
        });
    }
    (nodes, addrs.join(","))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_rules_of_durable_storage() {
    let (_nodes, addrs) = cluster();
    let reopen = async |_| durable(addrs.as_str()).await;
    conformance::durable(durable(addrs.as_str()).await, reopen, fastrand::u64(..)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_read_from_every_node_of_a_cluster() {
    let (nodes, addrs) = cluster();
    let mut owners = BTreeSet::new();
    for number in 0..8 {
        let key = format!("orders-{number}");
        let conf = orders(addrs.as_str()).key(&*key).param("lease_ms", 600_000);
        let mut reader = open(&conf).await;
        // It blocks on the stream's own node, and ends there when it is told to.
        assert!(timeout(Duration::from_millis(1), reader.next()).await.is_err());
        nodes[0].cli(&["-c", "XADD", &key, "1-0", "row", "{\"id\":1}"]);
        let delivery = next(&mut reader).await;
        assert_eq!(rows(&delivery), ["{\"id\":1}"]);
        delivery.receipt().renew().await.unwrap();
        delivery.receipt().release().await.unwrap();
        let again = next(&mut reader).await;
        assert_eq!(rows(&again), rows(&delivery));
        done(&again).await;
        assert_eq!(reader.lag().await.unwrap(), Some(0));
        let started = Instant::now();
        reader.close().await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        let left = nodes[0].cli(&["-c", "XINFO", "CONSUMERS", &key, "g"]);
        assert_eq!(left, "", "names were left behind");
        owners.extend(nodes.iter().position(|node| node.cli(&["EXISTS", &key]) == "1"));
    }
    assert!(owners.len() > 1, "all streams are on one node: this proves nothing");
}
