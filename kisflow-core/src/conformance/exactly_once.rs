//! The rules of a [`Source`] for flows with `guarantee: exactly_once`.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    done,
    reading::{acknowledge, next, rows_of, texts},
    source::{Lease, SourceWorld, World},
};
use crate::{
    conf::Guarantee,
    durable::MemoryStore,
    source::{Committer, Delivery, PendingCommit, Source, SourceContext},
};

/// Longer than a short lease, in which nothing comes.
const QUIET: Duration = Duration::from_millis(1_200);
/// How long the position of a reader whose rows are all acknowledged may be.
const SHORT_POSITION: usize = 400;

/// The origin of rows that are read exactly once.
#[async_trait]
pub trait ExactlyOnceWorld: World {
    /// Opens a reader as [`World::open`] does, in this context.
    async fn open_in(&self, lease: Lease, context: SourceContext) -> Self::Source;
}

/// Checks that a source recognizes rows that are redelivered although they are done.
///
/// # Panics
///
/// With the rule that is broken.
pub async fn exactly_once<S: SourceWorld<World: ExactlyOnceWorld>>(worlds: &S) {
    unacknowledged_rows(worlds).await;
    taken_over(worlds).await;
    short_positions(worlds).await;
}

/// A reader, and what keeps its positions.
struct Reader<S> {
    source: S,
    committer: Arc<Committer>,
}

impl<S: Source> Reader<S> {
    async fn open<W>(world: &W, store: &Arc<MemoryStore>) -> Self
    where
        W: ExactlyOnceWorld<Source = S>,
    {
        let context =
            SourceContext::new("flow", "rows", store.clone()).guarantee(Guarantee::ExactlyOnce);
        let tell = Box::new(|_: Option<&crate::error::BoxError>| {});
        let committer = Committer::start(context.positions().clone(), Duration::ZERO, tell);
        Self { source: world.open_in(Lease::Short, context).await, committer }
    }

    async fn next(&mut self) -> (Delivery, PendingCommit) {
        let mut delivery = next(&mut self.source).await;
        let Some(commit) = self.committer.begin(&mut delivery) else {
            panic!("broken rule: a delivery has a position under `guarantee: exactly_once`")
        };
        (delivery, commit)
    }

    /// Reads, commits and acknowledges until these rows have come, and returns all that came.
    async fn read_until(&mut self, wanted: &BTreeSet<String>) -> Vec<String> {
        let mut read = Vec::new();
        while !wanted.iter().all(|row| read.contains(row)) {
            let (delivery, commit) = self.next().await;
            done("a commit", commit.done().await.map_err(Into::into));
            acknowledge(&delivery).await;
            read.extend(rows_of(&delivery));
        }
        read
    }
}

async fn world<S: SourceWorld>(worlds: &S, rows: usize) -> S::World {
    let world = worlds.create().await;
    world.feed(texts(0..rows)).await;
    world
}

async fn unacknowledged_rows<S: SourceWorld<World: ExactlyOnceWorld>>(worlds: &S) {
    let (world, store) = (world(worlds, 40).await, Arc::default());
    let mut reader = Reader::open(&world, &store).await;
    let mut is_done = BTreeSet::new();
    for _ in 0..2 {
        let (delivery, commit) = reader.next().await;
        done("a commit", commit.done().await.map_err(Into::into));
        is_done.extend(rows_of(&delivery));
    }
    let open = reader.next().await;
    // Gone before the acknowledgement.
    drop((open, reader));
    let left: BTreeSet<String> =
        texts(0..40).into_iter().filter(|row| !is_done.contains(row)).collect();
    for _ in 0..2 {
        let mut reader = Reader::open(&world, &store).await;
        let mut read = Vec::new();
        if is_done.len() < 40 {
            read = reader.read_until(&left).await;
        }
        // For longer than a lease.
        let end = Instant::now() + QUIET;
        while let Ok(next) = timeout_at(end, reader.source.next()).await {
            match next {
                Ok(Some(delivery)) => read.extend(rows_of(&delivery)),
                Ok(None) => break,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
        for row in read {
            assert!(
                is_done.insert(row.clone()),
                "broken rule: a row whose position is durable does not come again, although it was not acknowledged: {row}"
            );
        }
        done("closing", reader.source.close().await);
    }
}

async fn taken_over<S: SourceWorld<World: ExactlyOnceWorld>>(worlds: &S) {
    let (world, store) = (world(worlds, 10).await, Arc::default());
    let Reader { mut source, committer } = Reader::open(&world, &store).await;
    let mut delivery = next(&mut source).await;
    let Some(commit) = committer.begin(&mut delivery) else {
        panic!("broken rule: a delivery has a position under `guarantee: exactly_once`")
    };
    // It is silent for longer than its lease, and goes on then.
    drop(source);
    let mut other = Reader::open(&world, &store).await;
    let rows = rows_of(&delivery).into_iter().collect();
    other.read_until(&rows).await;
    assert!(
        commit.done().await.is_err(),
        "broken rule: a reader whose rows another one has taken over commits nothing"
    );
    drop(delivery);
    done("closing", other.source.close().await);
}

async fn short_positions<S: SourceWorld<World: ExactlyOnceWorld>>(worlds: &S) {
    let (world, store) = (world(worlds, 300).await, Arc::default());
    let mut reader = Reader::open(&world, &store).await;
    let all = texts(0..300).into_iter().collect();
    let read = reader.read_until(&all).await;
    assert_eq!(read.len(), 300, "broken rule: no row comes twice: {read:?}");
    let positions = done("reading positions", reader.committer.positions().peek().await);
    let longest = positions.values().map(bytes::Bytes::len).max().unwrap_or_default();
    assert!(
        longest <= SHORT_POSITION,
        "broken rule: a position does not grow with the rows that are acknowledged: {positions:?}"
    );
    done("closing", reader.source.close().await);
}
