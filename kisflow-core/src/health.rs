//! [`Health`]: the answers of `/healthz` and `/readyz`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch::Sender;
use tokio_util::task::AbortOnDropHandle;

use crate::connector::{ConnectorSlot, watch};

/// Whether flows are ready to work: every connector answers, every source reads. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The connectors that functions use; `None` before they are connected.
    connectors: Sender<Option<Vec<Arc<ConnectorSlot>>>>,
    /// What each flow with a source does, by name.
    sources: Mutex<BTreeMap<String, SourceState>>,
    /// What batches of flows wait for, by flow and number.
    troubles: Mutex<BTreeMap<(String, u64), String>>,
    numbers: AtomicU64,
}

/// Something that a batch of a flow waits for, until this is dropped.
pub(crate) struct Trouble {
    health: Health,
    key: (String, u64),
}

impl Drop for Trouble {
    fn drop(&mut self) {
        self.health.troubles().remove(&self.key);
    }
}

/// The state of a flow's source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SourceState {
    /// `Flows::serve` has not opened it yet.
    Waiting,
    Reading,
    /// It ended, as a file does.
    Ended,
    Stopped,
    Failing(String),
}

impl Health {
    /// Returns what keeps the flows from working, one readable line for each cause; empty when they
    /// are ready.
    ///
    /// Returns what is known, without asking anything: a task that lives as long as the flows pings
    /// the connectors every five seconds, more often while one does not answer, and as soon as a
    /// function's call contradicts the last ping.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let away = self.inner.connectors.borrow().as_ref().map(|connectors| {
            connectors.iter().filter_map(|slot| slot.known_away()).collect::<Vec<_>>()
        });
        let Some(mut problems) = away else {
            return vec!["starting: the connectors are not connected yet".to_owned()];
        };
        problems.sort();
        let sources = self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for (flow, state) in &*sources {
            match state {
                SourceState::Reading | SourceState::Ended => {}
                SourceState::Waiting => problems.push(format!("flow `{flow}` is not served yet")),
                SourceState::Stopped => problems.push(format!("flow `{flow}` has been stopped")),
                SourceState::Failing(cause) => problems.push(format!("flow `{flow}`: {cause}")),
            }
        }
        drop(sources);
        // Batches of one flow usually wait for the same thing.
        let waits = self
            .troubles()
            .iter()
            .map(|((flow, _), cause)| format!("flow `{flow}`: {cause}"))
            .collect::<BTreeSet<_>>();
        problems.extend(waits);
        problems
    }

    /// Reports that a batch of the flow waits for something, until the returned value is dropped.
    pub(crate) fn trouble(&self, flow: &str, cause: impl Into<String>) -> Trouble {
        let number = self.inner.numbers.fetch_add(1, Ordering::Relaxed);
        let key = (flow.to_owned(), number);
        self.troubles().insert(key.clone(), cause.into());
        Trouble { health: self.clone(), key }
    }

    fn troubles(&self) -> MutexGuard<'_, BTreeMap<(String, u64), String>> {
        self.inner.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the connectors, which are connected.
    pub(crate) fn connectors(&self, slots: Vec<Arc<ConnectorSlot>>) {
        self.inner.connectors.send_replace(Some(slots));
    }

    /// Adds connectors, which are connected.
    pub(crate) fn add_connectors(&self, slots: &[Arc<ConnectorSlot>]) {
        self.inner.connectors.send_modify(|known| {
            let known = known.get_or_insert_default();
            for slot in slots {
                if !known.iter().any(|known| Arc::ptr_eq(known, slot)) {
                    known.push(slot.clone());
                }
            }
        });
    }

    /// Keeps the state of the connectors up to date, as long as the handle lives.
    pub(crate) fn watch(&self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(watch(self.inner.connectors.subscribe())))
    }

    pub(crate) fn source(&self, flow: &str, state: SourceState) {
        let mut sources = self.inner.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.insert(flow.to_owned(), state);
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Health").field(&self.inner.sources).finish()
    }
}
