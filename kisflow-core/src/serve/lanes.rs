//! [`Lanes`]: which rows wait for which others, to keep the order that the conf asks for.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use tokio::sync::oneshot;

use super::{
    delivery::{Part, Turn},
    piece::Piece,
};
use crate::{conf::Ordered, flow::Lineage, source::Delivery};

/// Which rows wait for which others.
pub(super) struct Lanes {
    ordered: Ordered,
    /// How many lanes the keys are spread over.
    count: u64,
    hasher: RandomState,
    /// Signals that the last turn of each lane is through.
    last: HashMap<u64, oneshot::Receiver<()>>,
}

impl Lanes {
    /// `count` lanes for rows with keys: as many as there may be deliveries in flight.
    pub(super) fn new(ordered: Ordered, count: u32) -> Self {
        Self {
            ordered,
            count: u64::from(count.max(1)),
            hasher: RandomState::new(),
            last: HashMap::new(),
        }
    }

    /// Splits a delivery into parts that each keep their order.
    pub(super) fn parts(&mut self, delivery: &Delivery) -> Vec<Part> {
        let batch = &delivery.batch;
        let whole = || Piece::new(0, batch.clone(), Lineage::Same);
        match &self.ordered {
            Ordered::No => vec![Part { rows: whole(), turn: Turn { before: None, through: None } }],
            Ordered::Partition => {
                let turn = self.turn(delivery.partition);
                vec![Part { rows: whole(), turn }]
            }
            Ordered::Key(field) => {
                let mut lanes: HashMap<u64, Vec<usize>> = HashMap::new();
                for (row, key) in batch.keys(field).into_iter().enumerate() {
                    lanes.entry(self.hasher.hash_one(key) % self.count).or_default().push(row);
                }
                let part = |(lane, rows): (u64, Vec<usize>)| Part {
                    rows: Piece::new(
                        0,
                        batch.pick(rows.clone()),
                        Lineage::Same.pick(rows.into_iter()),
                    ),
                    turn: self.turn(lane),
                };
                lanes.into_iter().map(part).collect()
            }
        }
    }

    /// The next turn in a lane.
    fn turn(&mut self, lane: u64) -> Turn {
        // A source may have ever new partitions. No part waits for a lane whose last turn is
        // through; if the last one died, the next must still learn of it.
        if self.last.len() as u64 > 2 * self.count {
            self.last.retain(|_, last| last.try_recv().is_err());
        }
        let (through, wait) = oneshot::channel();
        Turn { before: self.last.insert(lane, wait), through: Some(through) }
    }
}
