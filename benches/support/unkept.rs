//! A store that ends with its flow.

use std::sync::Arc;

use kisflow::{AsDurable, RawParams, durable::MemoryStore, prelude::*};

/// `type: unkept`: a store that ends with its flow.
pub(crate) struct Unkept(Arc<MemoryStore>);

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
