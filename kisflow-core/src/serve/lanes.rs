//! [`Lanes`]: which rows wait for which others, to keep the order that the conf asks for.

use std::collections::HashMap;

use siphasher::sip::SipHasher13;
use tokio::sync::oneshot;

use super::{
    delivery::{Part, Turn, TurnSignal},
    piece::Piece,
};
use crate::{conf::Ordered, flow::Lineage, source::Delivery};

/// Which rows wait for which others.
pub(super) struct Lanes {
    ordered: Ordered,
    /// How many lanes the keys are spread over.
    count: u64,
    /// Whether the rows of a delivery stay together, because functions keep state.
    is_keyed: bool,
    /// How far the last turn of each lane is.
    last: HashMap<u64, Last>,
}

/// What the last turn of a lane will signal; `None` once it has.
struct Last {
    worked: Option<oneshot::Receiver<()>>,
    settled: Option<oneshot::Receiver<()>>,
}

impl Lanes {
    /// `count` lanes for rows with keys: as many as there may be deliveries in flight.
    pub(super) fn new(ordered: Ordered, count: u32, is_keyed: bool) -> Self {
        Self { ordered, count: u64::from(count.max(1)), is_keyed, last: HashMap::new() }
    }

    /// Splits a delivery into parts that each keep their order.
    pub(super) fn parts(&mut self, delivery: &Delivery) -> Vec<Part> {
        let batch = &delivery.batch;
        let whole = || Piece::new(0, batch.clone(), Lineage::Same);
        match &self.ordered {
            Ordered::No => vec![Part { rows: whole(), turns: Vec::new() }],
            Ordered::Partition => {
                let turns = vec![self.turn(delivery.partition)];
                vec![Part { rows: whole(), turns }]
            }
            Ordered::Key(field) => {
                let mut lanes: HashMap<u64, Vec<usize>> = HashMap::new();
                for (row, key) in batch.keys(field).into_iter().enumerate() {
                    lanes.entry(lane(&key, self.count)).or_default().push(row);
                }
                if self.is_keyed {
                    let turns = lanes.into_keys().map(|lane| self.turn(lane)).collect();
                    return vec![Part { rows: whole(), turns }];
                }
                let part = |(lane, rows): (u64, Vec<usize>)| Part {
                    rows: Piece::new(
                        0,
                        batch.pick(rows.clone()),
                        Lineage::Same.pick(rows.into_iter()),
                    ),
                    turns: vec![self.turn(lane)],
                };
                lanes.into_iter().map(part).collect()
            }
        }
    }

    /// The next turn in a lane.
    fn turn(&mut self, lane: u64) -> Turn {
        // A source may have ever new partitions. No part waits for a lane whose last turn is
        // settled; if the last one died, the next must still learn of it.
        if self.last.len() as u64 > 2 * self.count {
            self.last.retain(|_, last| !last.is_settled());
        }
        let [(worked, after_work), (settled, after_settling)] =
            [oneshot::channel(), oneshot::channel()];
        let next = Last { worked: Some(after_work), settled: Some(after_settling) };
        let before = self.last.insert(lane, next);
        let before = before.unwrap_or(Last { worked: None, settled: None });
        Turn {
            worked: TurnSignal { before: before.worked, next: Some(worked) },
            settled: TurnSignal { before: before.settled, next: Some(settled) },
        }
    }
}

impl Last {
    fn is_settled(&mut self) -> bool {
        for signal in [&mut self.worked, &mut self.settled] {
            if signal.as_mut().is_some_and(|signal| signal.try_recv().is_ok()) {
                *signal = None;
            }
        }
        self.worked.is_none() && self.settled.is_none()
    }
}

/// The lane of a key: the same in every process and after a restart.
fn lane(key: &str, count: u64) -> u64 {
    SipHasher13::new().hash(key.as_bytes()) % count
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Batch, Receipt, Result, Settled};

    struct Slip;

    #[crate::async_trait]
    impl Receipt for Slip {
        fn position(&self, row: usize) -> String {
            row.to_string()
        }

        async fn done(&self, _: &Settled) -> Result<()> {
            Ok(())
        }
    }

    fn delivery(ids: impl IntoIterator<Item = u64>) -> Delivery {
        Delivery::new(Batch::json(ids.into_iter().map(|id| format!("{{\"id\":{id}}}"))), Slip)
    }

    fn by_id(count: u32) -> Lanes {
        Lanes::new(Ordered::Key("id".to_owned()), count, false)
    }

    #[test]
    fn a_key_has_the_same_lane_in_every_process_and_all_lanes_are_used() {
        // Of SipHash 1-3 with keys of zeros; another function would not keep the order of a key
        // between two versions of a program.
        let lanes: Vec<u64> = ["1", "2", "3", "\"a\"", ""].map(|key| lane(key, 8)).into();
        assert_eq!(lanes, [5, 5, 6, 5, 4]);
        let used: BTreeSet<u64> = (0..1_000).map(|key| lane(&key.to_string(), 8)).collect();
        assert_eq!(used, (0..8).collect());
    }

    #[test]
    fn rows_of_a_key_are_in_one_part_in_their_order_and_wait_for_those_before() {
        let mut lanes = by_id(4);
        let first = lanes.parts(&delivery([1, 2, 1, 3, 2, 1]));
        let of = |parts: &[Part], row| {
            parts.iter().position(|part| {
                (0..part.rows.len()).any(|at| part.rows.lineage.of(at) == Some(row))
            })
        };
        assert_eq!(of(&first, 0), of(&first, 2));
        assert_eq!(of(&first, 0), of(&first, 5));
        for part in &first {
            let rows: Vec<_> = (0..part.rows.len()).map(|at| part.rows.lineage.of(at)).collect();
            assert!(rows.is_sorted(), "{rows:?}");
        }
        let mut second = lanes.parts(&delivery([1]));
        let [one] = first
            .into_iter()
            .filter(|part| part.rows.lineage.of(0) == Some(0))
            .collect::<Vec<_>>()
            .try_into()
            .ok()
            .unwrap();
        let one_turn = turn(one);
        let turn = &mut second[0].turns[0];
        for (first, second) in
            [(one_turn.worked, &mut turn.worked), (one_turn.settled, &mut turn.settled)]
        {
            let before = second.before.as_mut().unwrap();
            assert!(before.try_recv().is_err(), "the rows before are not so far");
            first.next.unwrap().send(()).unwrap();
            before.try_recv().unwrap();
        }
    }

    #[test]
    fn rows_of_a_flow_that_keeps_state_stay_together_and_wait_for_all_of_their_keys() {
        let mut lanes = Lanes::new(Ordered::Key("id".to_owned()), 4, true);
        let [first] = lanes.parts(&delivery([3, 1])).try_into().ok().unwrap();
        let [second] = lanes.parts(&delivery([1, 6, 3])).try_into().ok().unwrap();
        assert_eq!(second.rows.len(), 3);
        let mut before: Vec<_> =
            second.turns.into_iter().filter_map(|turn| turn.worked.before).collect();
        assert_eq!(before.len(), first.turns.len());
        for turn in first.turns {
            turn.worked.next.unwrap().send(()).unwrap();
        }
        assert!(before.iter_mut().all(|before| before.try_recv().is_ok()));
    }

    #[test]
    fn ever_new_partitions_do_not_fill_the_memory() {
        let mut lanes = Lanes::new(Ordered::Partition, 3, false);
        for partition in 0..1_000 {
            let parts = lanes.parts(&delivery([1]).partition(partition));
            assert!(lanes.last.len() <= 8, "{}", lanes.last.len());
            parts.into_iter().for_each(end);
        }
    }

    /// The functions are through with a part, and it is acknowledged.
    fn end(part: Part) {
        let turn = turn(part);
        turn.worked.next.unwrap().send(()).ok();
        turn.settled.next.unwrap().send(()).ok();
    }

    fn turn(part: Part) -> Turn {
        part.turns.into_iter().next().unwrap()
    }

    #[test]
    fn a_lane_whose_last_turn_is_through_and_not_settled_is_remembered() {
        let mut lanes = Lanes::new(Ordered::Partition, 1, false);
        let [first] = lanes.parts(&delivery([1]).partition(7)).try_into().ok().unwrap();
        let first = turn(first);
        first.worked.next.unwrap().send(()).ok();
        for partition in 100..200 {
            lanes.parts(&delivery([1]).partition(partition)).into_iter().for_each(end);
        }
        let [next] = lanes.parts(&delivery([1]).partition(7)).try_into().ok().unwrap();
        let next = turn(next);
        assert!(next.worked.before.is_none(), "it is through");
        let mut settled = next.settled.before.unwrap();
        assert!(settled.try_recv().is_err());
        first.settled.next.unwrap().send(()).unwrap();
        settled.try_recv().unwrap();
    }

    #[test]
    fn a_lane_whose_last_turn_died_is_remembered() {
        let mut lanes = Lanes::new(Ordered::Partition, 1, false);
        drop(lanes.parts(&delivery([1]).partition(7)));
        for partition in 100..200 {
            lanes.parts(&delivery([1]).partition(partition)).into_iter().for_each(end);
        }
        let [next] = lanes.parts(&delivery([1]).partition(7)).try_into().ok().unwrap();
        let next = turn(next);
        assert!(next.worked.before.unwrap().try_recv().is_err());
        assert!(next.settled.before.unwrap().try_recv().is_err());
    }
}
