//! The stores that a benchmark compares: one in memory, and those that sync every commit.

#[path = "../../tests/support/postgres_server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod postgres_server;
#[path = "../../tests/support/redis_server.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod redis_server;
#[path = "../../tests/support/server.rs"]
mod server;

use std::sync::Arc;

use kisflow::{AsDurable, RawParams, durable::MemoryStore, prelude::*};
use postgres_server::PostgresServer;
use redis_server::RedisServer;
use tempfile::TempDir;

/// Connectors `kept` of memory, redb, Redis and PostgreSQL, whose servers run as long as this lives.
pub(crate) struct Stores {
    pub(crate) all: [ConnConf; 4],
    pub(crate) dir: TempDir,
    _servers: (RedisServer, PostgresServer),
}

impl Stores {
    pub(crate) fn start() -> Self {
        // Where a service would have it: a temporary folder may be in memory.
        let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
        let postgres = PostgresServer::start_with(&[]);
        let store = |engine: &str| ConnConf::new("kept", engine);
        let all = [
            store(Unkept::TYPE),
            store("redb").addrs(dir.path().join("kept.redb").display().to_string()),
            store("redis").addrs(redis.addr()),
            store("postgres").addrs(postgres.url()),
        ];
        Self { all, dir, _servers: (redis, postgres) }
    }

    /// A registry that knows all of them.
    pub(crate) fn registry() -> Registry {
        Registry::linked()
            .connector::<Redb>()
            .connector::<Redis>()
            .connector::<Postgres>()
            .connector::<Unkept>()
    }
}

/// `type: unkept`: a store that ends with its flow.
struct Unkept(Arc<MemoryStore>);

#[kisflow::async_trait]
impl Connector for Unkept {
    const TYPE: &'static str = "unkept";
    type Params = RawParams;

    async fn connect(_: &ConnConf, _: RawParams) -> kisflow::Result<Self> {
        Ok(Self(Arc::default()))
    }

    fn durable() -> Option<AsDurable<Self>> {
        Some(|unkept| unkept.0.clone())
    }
}
