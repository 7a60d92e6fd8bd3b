//! [`Waiting`]: what the deliveries of a flow and the worker for its waiting rows know of each other.

use std::{
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use tokio::sync::Notify;

use crate::{
    conf::WaitingConf,
    flow::Report,
    millis::since_epoch::now,
    quarantine::{CommitMarker, Quarantined},
};

/// What the deliveries of a flow and the task that tries its waiting rows know of each other.
pub(super) struct Waiting {
    pub(super) conf: WaitingConf,
    /// Rows were moved to the store.
    pub(super) added: Notify,
    /// The marker of the rows that deliveries move. One moves them at a time.
    pub(super) marker: tokio::sync::Mutex<Option<CommitMarker>>,
    /// When a function of the chain last did its work for a row, by its place.
    worked: Mutex<Vec<Option<SystemTime>>>,
}

impl Waiting {
    pub(super) fn new(conf: WaitingConf) -> Self {
        Self {
            conf,
            added: Notify::new(),
            marker: tokio::sync::Mutex::default(),
            worked: Mutex::default(),
        }
    }

    /// Notes which functions did their work for rows.
    pub(super) fn note(&self, report: &Report) {
        let mut worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now();
        for (at, did) in report.worked().enumerate() {
            if worked.len() <= at {
                worked.push(None);
            }
            if let Some(worked) = worked.get_mut(at).filter(|_| did) {
                *worked = Some(now);
            }
        }
    }

    /// Whether a function has done its work for a row since then, in this process: it is not away for
    /// all.
    pub(super) fn has_worked_since(&self, at: usize, since: SystemTime) -> bool {
        let worked = self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        worked.get(at).copied().flatten().is_some_and(|worked| worked > since)
    }

    /// Whether a row that was tried once more has waited for as long as it may, and the function that
    /// is away for it has worked for others since it was tried before. It is never overdue because a
    /// connector does not answer.
    pub(super) fn is_overdue(
        &self,
        row: &Quarantined,
        away: Option<usize>,
        now: SystemTime,
    ) -> bool {
        let waited = now.duration_since(row.since).unwrap_or_default();
        let works = away.is_some_and(|at| self.has_worked_since(at, row.tried));
        waited >= self.conf.max_wait && works
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::millis::since_epoch::time;

    #[test]
    fn a_row_is_overdue_while_the_function_that_is_away_for_it_works_for_others() {
        let waiting = Waiting::new(WaitingConf::default().max_wait(Duration::from_millis(50)));
        *waiting.worked.lock().unwrap() = vec![None, Some(time(200))];
        let overdue = |since, tried, away, now| {
            let (since, tried) = (time(since), time(tried));
            let row = Quarantined { since, tried, ..Quarantined::of("A", "s") };
            waiting.is_overdue(&row, away, time(now))
        };
        assert!(overdue(100, 190, Some(1), 210));
        assert!(!overdue(100, 205, Some(1), 210), "it has not worked since the last attempt");
        assert!(!overdue(165, 190, Some(1), 210), "it has not waited for long");
        assert!(!overdue(100, 190, Some(0), 210), "another function has worked");
        assert!(!overdue(100, 190, None, 210), "a connector does not answer");
    }
}
