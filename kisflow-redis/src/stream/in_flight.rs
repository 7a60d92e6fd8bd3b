//! [`InFlight`]: which entries are handed out here and not settled.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fred::bytes::Bytes;

/// Which entries are handed out here and not settled: as many batches as the engine works on at
/// once, and the one that is fetched ahead.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    batches: Mutex<Batches>,
}

#[derive(Debug, Default)]
struct Batches {
    next: u64,
    ids: HashMap<u64, Arc<[Bytes]>>,
}

/// A batch that is in flight until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    in_flight: Arc<InFlight>,
    number: u64,
    ids: Arc<[Bytes]>,
}

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a batch.
    pub(super) fn hold(self: &Arc<Self>, ids: Vec<Bytes>) -> Held {
        let ids: Arc<[Bytes]> = ids.into();
        let mut batches = self.lock();
        let number = batches.next;
        batches.next += 1;
        batches.ids.insert(number, ids.clone());
        Held { in_flight: self.clone(), number, ids }
    }

    /// All that is in flight now. To be asked before the server is: what is settled while its answer
    /// is on the way stands in that answer, and must not be taken for lost.
    pub(super) fn ids(&self) -> HashSet<Bytes> {
        self.lock().ids.values().flat_map(|ids| ids.iter().cloned()).collect()
    }
}

impl Held {
    pub(super) fn ids(&self) -> &[Bytes] {
        &self.ids
    }

    /// The batch is no longer in flight.
    pub(super) fn let_go(&self) {
        self.in_flight.lock().ids.remove(&self.number);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_in_flight_until_it_is_let_go_or_dropped() {
        let in_flight = Arc::new(InFlight::default());
        let one = in_flight.hold(vec!["1-0".into(), "2-0".into()]);
        let other = in_flight.hold(vec!["3-0".into()]);
        assert_eq!(in_flight.ids().len(), 3);
        one.let_go();
        assert_eq!(in_flight.ids(), HashSet::from(["3-0".into()]));
        drop((one, other));
        assert!(in_flight.ids().is_empty());
    }
}
