//! [`Rounds`]: the states of a flow's functions change together with the positions of its source.
//!
//! A delivery *enters* at the first function that keeps state and *leaves* behind the last one. One
//! delivery at a time is inside, those of a partition in their order. What a delivery changes is in
//! the **open round** until that closes; the next deliveries already see it. A **closed round** is
//! committed when all its deliveries are through the flow: states, positions and bad rows in one
//! commit. If the commit is refused because another process has changed a state, the deliveries of
//! the closed round and of the one behind it run again from where they entered, in the same order.

mod cache;
mod commit;
mod layers;
mod state;
#[cfg(test)]
mod tests;
mod ticket;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::{commit::commit, state::RoundState};
pub(crate) use self::{
    layers::States,
    state::{Facts, Settlement},
    ticket::Ticket,
};
use crate::{durable::Durable, metrics::RoundMetrics, source::Positions};

/// The rounds of one flow, in this process.
pub(crate) struct Rounds {
    shared: Arc<Shared>,
}

struct Shared {
    flow: Arc<str>,
    metrics: RoundMetrics,
    store: Arc<dyn Durable>,
    state: Mutex<RoundState>,
    /// Why a round cannot be committed now.
    trouble: watch::Sender<Option<Arc<str>>>,
}

/// A reader of a source, whose deliveries enter the rounds of its flow.
pub(crate) struct Entrance {
    shared: Arc<Shared>,
    reader: u64,
    ended: CancellationToken,
}

impl Rounds {
    pub(crate) fn new(flow: &str, metrics: RoundMetrics, store: Arc<dyn Durable>) -> Self {
        let state = Mutex::new(RoundState::new(store.limits()));
        let trouble = watch::Sender::default();
        Self { shared: Arc::new(Shared { flow: flow.into(), metrics, store, state, trouble }) }
    }

    /// Begins to read a source, whose positions are kept with the rounds.
    pub(crate) fn entrance(&self, positions: Positions) -> Entrance {
        let ended = CancellationToken::new();
        let reader = self.shared.state().add_reader(positions, ended.clone());
        Entrance { shared: self.shared.clone(), reader, ended }
    }

    /// A ticket for rows that no source reads now.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket::new(self.shared.clone(), None)
    }
}

impl Entrance {
    /// A ticket for the next delivery of a partition. Call it in the order of the source.
    pub(crate) fn ticket(&self, partition: u64) -> Ticket {
        Ticket::new(self.shared.clone(), Some((self.reader, partition)))
    }

    /// Cancelled when no delivery of this reader will be committed any more: the source has to be
    /// opened anew.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Whether it ended because others have changed positions of the source.
    pub(crate) fn is_moved(&self) -> bool {
        self.shared.state().is_moved(self.reader)
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.shared.change(|state| state.remove_reader(self.reader));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, RoundState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and does what can be done then.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut RoundState) -> T) -> T {
        let (changed, next) = {
            let mut state = self.state();
            let changed = change(&mut state);
            (changed, state.advance())
        };
        // Not while the state is locked: a runtime that has ended drops the task at once.
        if let Some((runtime, group)) = next {
            runtime.spawn(commit(self, group));
        }
        changed
    }
}

impl fmt::Debug for Rounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rounds").finish_non_exhaustive()
    }
}
