//! [`watch`]: keeps the state of connectors up to date, so that `/readyz` does not need to ping
//! them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch::Receiver},
    task::JoinSet,
    time::sleep,
};

use super::ConnectorSlot;
use crate::backoff::pause;

/// How often a connector that answers is pinged.
const PACE: Duration = Duration::from_secs(5);

/// The first pause after a ping without an answer; it doubles up to [`PACE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The shortest time between two pings, whatever the results of functions.
const SHORTEST: Duration = Duration::from_millis(100);

/// The result of the last ping of a connector.
#[derive(Debug, Default)]
pub(crate) struct Known {
    is_away: AtomicBool,
    cause: Mutex<Option<String>>,
    /// A function's call contradicted the last ping.
    news: Notify,
}

impl Known {
    /// Records the result of a ping.
    pub(super) fn tell(&self, away: Option<String>) {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_away.store(away.is_some(), Ordering::Relaxed);
        *cause = away;
    }

    pub(super) fn away(&self) -> Option<String> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Schedules a ping soon if a function's call contradicts the last ping.
    pub(super) fn notice(&self, works: bool) {
        if works == self.is_away.load(Ordering::Relaxed) {
            self.news.notify_one();
        }
    }
}

/// Pings each connector at a slow pace, and again soon while it does not answer. Connectors may be
/// added.
pub(crate) async fn watch(mut slots: Receiver<Option<Vec<Arc<ConnectorSlot>>>>) {
    let mut tasks = JoinSet::new();
    loop {
        for slot in slots.borrow_and_update().iter().flatten().skip(tasks.len()) {
            tasks.spawn(one(slot.clone()));
        }
        if slots.changed().await.is_err() {
            return;
        }
    }
}

async fn one(slot: Arc<ConnectorSlot>) {
    let mut failures = 0_u32;
    loop {
        let wait = match failures {
            0 => PACE,
            failures => pause(FIRST_PAUSE, failures, PACE),
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = slot.known.news.notified() => sleep(SHORTEST).await,
        }
        failures = if slot.away().await.is_some() { failures.saturating_add(1) } else { 0 };
    }
}
