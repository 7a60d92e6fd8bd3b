//! The rules of [`Source`].

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use tokio::time::timeout;

use super::{
    done,
    reading::{
        LONG, acknowledge, acknowledge_by, ended, next, next_by, placed, read_all, rows_of, texts,
    },
};
use crate::source::Source;

/// How long rows may stay with a reader that is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// Half a second, about.
    Short,
    /// Longer than the suite runs.
    Long,
}

/// The origin of a source's rows, as the suite needs it: a stream, a file, a port.
#[async_trait]
pub trait World: Sync {
    /// The source.
    type Source: Source;

    /// Opens a reader, as another process of the same group would, from the earliest row on; with a
    /// `batch` of at most 10 rows and 20 ms.
    async fn open(&self, lease: Lease) -> Self::Source;

    /// Adds rows, in order, behind the existing ones. For a source that clients push to, it lets
    /// them push, and push again until the rows are acknowledged.
    async fn feed(&self, rows: Vec<String>);

    /// Breaks every existing connection, and allows new ones.
    async fn disconnect(&self);
}

/// Creates empty worlds, and states what the source does not guarantee.
#[async_trait]
pub trait SourceWorld: Sync {
    /// The world.
    type World: World;

    /// Whether unacknowledged rows are redelivered in another process. (Standard input cannot be
    /// read twice.)
    const REPLAYS: bool = true;
    /// Whether two readers share the rows. (A file has one reader.)
    const SHARES: bool = true;

    /// Creates another world.
    async fn create(&self) -> Self::World;
}

/// Checks that a source keeps its rules.
///
/// # Panics
///
/// With the rule that is broken.
pub async fn source<S: SourceWorld>(worlds: &S) {
    let suite = Suite { worlds };
    suite.order().await;
    suite.cancelled_reads().await;
    suite.broken_connections().await;
    if S::REPLAYS {
        suite.released_rows().await;
        suite.silent_readers().await;
        suite.restarts().await;
        suite.gaps().await;
        suite.dropped_deliveries().await;
    }
    suite.repeated_acknowledgements().await;
    if S::SHARES {
        suite.two_readers().await;
        suite.back_pressure().await;
    }
}

struct Suite<'a, S> {
    worlds: &'a S,
}

impl<S: SourceWorld> Suite<'_, S> {
    async fn world(&self, rows: std::ops::Range<usize>) -> S::World {
        let world = self.worlds.create().await;
        world.feed(texts(rows)).await;
        world
    }

    async fn order(&self) {
        let world = self.world(0..25).await;
        let mut reader = world.open(Lease::Long).await;
        let (mut rows, mut positions) = (Vec::new(), BTreeSet::new());
        while rows.len() < 25 {
            let delivery = next(&mut reader).await;
            assert!(
                delivery.batch().len() <= 10,
                "broken rule: a batch has at most `batch.rows` rows"
            );
            for index in 0..delivery.batch().len() {
                let position = delivery.receipt().position(index);
                assert!(
                    positions.insert(position.clone()),
                    "broken rule: positions differ; {position} came twice"
                );
            }
            rows.extend(rows_of(&delivery));
            acknowledge(&delivery).await;
        }
        assert_eq!(rows, texts(0..25), "broken rule: rows come in order, each once");
        done("closing", reader.close().await);
    }

    async fn cancelled_reads(&self) {
        let world = self.world(0..40).await;
        let mut reader = world.open(Lease::Long).await;
        let mut rows = Vec::new();
        let mut patience = Duration::from_micros(1);
        while rows.len() < 40 {
            match timeout(patience, reader.next()).await {
                // What is lost never comes, however long the wait.
                Err(_) if patience >= LONG => break,
                Err(_) => patience = (patience * 2).min(LONG),
                Ok(read) => {
                    let delivery = done("a read", read).unwrap_or_else(|| ended());
                    rows.extend(rows_of(&delivery));
                    acknowledge(&delivery).await;
                    patience = Duration::from_micros(1);
                }
            }
        }
        assert_eq!(rows, texts(0..40), "broken rule: a read that is cancelled loses no row");
        done("closing", reader.close().await);
    }

    async fn broken_connections(&self) {
        let world = self.world(0..10).await;
        let mut reader = world.open(Lease::Long).await;
        let before = next(&mut reader).await;
        world.disconnect().await;
        world.feed(texts(10..20)).await;
        let mut seen: BTreeSet<String> = rows_of(&before).into_iter().collect();
        acknowledge(&before).await;
        while seen.len() < 20 {
            let delivery = next(&mut reader).await;
            acknowledge(&delivery).await;
            seen.extend(rows_of(&delivery));
        }
        let all: BTreeSet<String> = texts(0..20).into_iter().collect();
        assert_eq!(seen, all, "broken rule: a connection that breaks is mended, and loses no row");
        done("closing", reader.close().await);
    }

    async fn released_rows(&self) {
        let world = self.world(0..10).await;
        let mut reader = world.open(Lease::Long).await;
        let (mut first, mut count) = (BTreeSet::new(), 0);
        while count < 10 {
            let delivery = next(&mut reader).await;
            count += delivery.batch().len();
            first.extend(placed(&delivery));
            done("a release", delivery.receipt().release().await);
        }
        done("closing", reader.close().await);
        let mut reader = world.open(Lease::Long).await;
        let again = read_all(&mut reader, 10).await;
        assert_eq!(
            again, first,
            "broken rule: rows that are given back come again at once, with the same positions"
        );
        done("closing", reader.close().await);
    }

    async fn silent_readers(&self) {
        let world = self.world(0..10).await;
        let mut reader = world.open(Lease::Short).await;
        let delivery = next(&mut reader).await;
        let first: BTreeSet<_> = placed(&delivery).into_iter().collect();
        // Gone without a word, as a process that is killed.
        drop((delivery, reader));
        let mut reader = world.open(Lease::Short).await;
        let again = read_all(&mut reader, 10).await;
        assert!(
            again.is_superset(&first),
            "broken rule: rows of a reader that is gone come again, with the same positions\n first: {first:?}\n again: {again:?}"
        );
        done("closing", reader.close().await);
    }

    async fn restarts(&self) {
        let world = self.world(0..30).await;
        let mut reader = world.open(Lease::Long).await;
        let mut seen = BTreeSet::new();
        while seen.len() < 12 {
            let delivery = next(&mut reader).await;
            acknowledge(&delivery).await;
            seen.extend(rows_of(&delivery));
        }
        done("closing", reader.close().await);
        let mut reader = world.open(Lease::Long).await;
        while seen.len() < 30 {
            let delivery = next(&mut reader).await;
            for row in rows_of(&delivery) {
                assert!(
                    seen.insert(row.clone()),
                    "broken rule: a row that was acknowledged does not come again: {row}"
                );
            }
            acknowledge(&delivery).await;
        }
        done("closing", reader.close().await);
    }

    async fn gaps(&self) {
        let world = self.world(0..30).await;
        let mut reader = world.open(Lease::Long).await;
        let first = next(&mut reader).await;
        let second = next(&mut reader).await;
        acknowledge(&second).await;
        done("a release", first.receipt().release().await);
        let open: BTreeSet<String> = rows_of(&first).into_iter().collect();
        drop((first, second));
        done("closing", reader.close().await);
        let mut reader = world.open(Lease::Long).await;
        let mut seen = BTreeSet::new();
        while !seen.is_superset(&open) {
            let delivery = next(&mut reader).await;
            seen.extend(rows_of(&delivery));
            acknowledge(&delivery).await;
        }
        done("closing", reader.close().await);
    }

    async fn dropped_deliveries(&self) {
        const RULE: &str =
            "a delivery that is dropped comes again, also when the reader was closed";
        let world = self.world(0..30).await;
        let mut reader = world.open(Lease::Short).await;
        acknowledge(&next(&mut reader).await).await;
        let dropped = next(&mut reader).await;
        let open: BTreeSet<_> = placed(&dropped).into_iter().collect();
        // As when the task that works on it panics: closing is no word on what became of it.
        drop(dropped);
        let third = next(&mut reader).await;
        acknowledge(&third).await;
        done("closing", reader.close().await);
        let mut reader = world.open(Lease::Short).await;
        // A quick source may have handed them out to the same reader.
        let mut seen: BTreeSet<_> = placed(&third).into_iter().collect();
        while !seen.is_superset(&open) {
            let delivery = next_by(&mut reader, RULE).await;
            seen.extend(placed(&delivery));
            acknowledge(&delivery).await;
        }
        done("closing", reader.close().await);
    }

    async fn repeated_acknowledgements(&self) {
        const RULE: &str = "acknowledging twice does no harm";
        let world = self.world(0..20).await;
        let mut reader = world.open(Lease::Long).await;
        let first = next(&mut reader).await;
        let gone: BTreeSet<String> = rows_of(&first).into_iter().collect();
        acknowledge(&first).await;
        let second = next(&mut reader).await;
        // The engine repeats what it had no answer to, whatever was handed out since.
        acknowledge_by(&first, RULE).await;
        let mut rest = BTreeSet::new();
        if S::REPLAYS {
            done("a release", second.receipt().release().await);
            drop((first, second));
            done("closing", reader.close().await);
            reader = world.open(Lease::Long).await;
        } else {
            rest.extend(rows_of(&second));
        }
        while rest.len() < 20 - gone.len() {
            let delivery = next_by(&mut reader, RULE).await;
            acknowledge(&delivery).await;
            rest.extend(rows_of(&delivery));
            assert!(gone.is_disjoint(&rest), "broken rule: {RULE}; rows came again: {rest:?}");
        }
        done("closing", reader.close().await);
    }

    async fn two_readers(&self) {
        let world = self.worlds.create().await;
        let (mut one, mut other) = (world.open(Lease::Long).await, world.open(Lease::Long).await);
        world.feed(texts(0..100)).await;
        let mut seen = BTreeSet::new();
        let mut count = 0;
        while count < 100 {
            let delivery = tokio::select! {
                delivery = next(&mut one) => delivery,
                delivery = next(&mut other) => delivery,
            };
            acknowledge(&delivery).await;
            count += delivery.batch().len();
            seen.extend(rows_of(&delivery));
        }
        let all: BTreeSet<String> = texts(0..100).into_iter().collect();
        assert_eq!(
            seen, all,
            "broken rule: two readers of a group get each row once, between them"
        );
        done("closing", one.close().await);
        done("closing", other.close().await);
    }

    async fn back_pressure(&self) {
        let world = self.worlds.create().await;
        let (mut slow, mut quick) = (world.open(Lease::Long).await, world.open(Lease::Long).await);
        // More than a batch at once, and more later: a reader takes what it is asked for.
        world.feed(texts(0..100)).await;
        let held = tokio::select! {
            delivery = next(&mut slow) => delivery,
            delivery = next(&mut quick) => {
                // The other way round is as good.
                std::mem::swap(&mut slow, &mut quick);
                delivery
            }
        };
        world.feed(texts(100..200)).await;
        let mut count = held.batch().len();
        // One batch may be on its way to the reader that is not asked, and no more.
        while count < 190 {
            let delivery = next(&mut quick).await;
            count += delivery.batch().len();
            acknowledge(&delivery).await;
        }
        acknowledge(&held).await;
        done("closing", slow.close().await);
        done("closing", quick.close().await);
    }
}
