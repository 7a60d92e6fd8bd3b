//! [`Hold`]: a reader that keeps the order waits for rows that were handed out before it began.

use std::time::Duration;

use async_nats::Subject;
use tokio::time::Instant;

use crate::shelf::Fetched;

/// The server may take a while to notice that a lease is over.
const MARGIN: Duration = Duration::from_millis(500);

/// What keeps a reader from new rows: older ones are pending, which a reader gave back, or had when
/// it died, or whose answer was lost.
///
/// The server hands out again what was given back, and what has no lease any more, in the order in
/// which that happened, and new rows at any time. So rows are gathered and not passed on: first as
/// many as are pending, which is all if they were given back, and once more when all leases are over.
/// Then they are put in order.
pub(crate) struct Hold {
    /// All leases are over then, but those that others renew.
    until: Instant,
    /// How often to look whether anything else is pending.
    pause: Duration,
    /// When to look next.
    pub(crate) look_at: Instant,
    /// How many rows were pending in the beginning.
    first: Option<usize>,
    /// How many rows are still to be asked for, once all leases are over.
    left: Option<usize>,
    gathered: Vec<Fetched>,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HoldStep {
    /// Wait until [`look_at`](Hold::look_at).
    Wait,
    /// Ask for so many rows.
    Gather(usize),
    /// Go on: there is nothing older.
    Over,
}

impl Hold {
    pub(crate) fn new(lease: Duration) -> Self {
        let now = Instant::now();
        let pause = (lease / 8).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let until = now + lease + MARGIN;
        Self { until, pause, look_at: now, first: None, left: None, gathered: Vec::new() }
    }

    /// What to do when so many rows of the consumer are pending, those that were gathered included.
    /// At most `most` rows are asked for at once.
    pub(crate) fn step(&mut self, pending: usize, most: usize) -> HoldStep {
        let now = Instant::now();
        let others = pending.saturating_sub(self.gathered.len());
        if others == 0 {
            return HoldStep::Over;
        }
        if now >= self.until {
            let left = self.left.get_or_insert(others);
            let count = most.min(*left);
            *left -= count;
            return if count > 0 { HoldStep::Gather(count) } else { HoldStep::Over };
        }
        // New rows are bounded by those that are waited for.
        let missing = self.first.get_or_insert(others).saturating_sub(self.gathered.len());
        if missing > 0 {
            return HoldStep::Gather(most.min(missing));
        }
        self.look_at = (now + self.pause).min(self.until);
        HoldStep::Wait
    }

    pub(crate) fn gather(&mut self, rows: Vec<Fetched>) {
        self.gathered.extend(rows);
    }

    /// Where to renew the leases that began before `then`; they are taken to be new.
    pub(crate) fn renew(&mut self, then: Instant) -> Vec<Subject> {
        let now = Instant::now();
        let due = self.gathered.iter_mut().filter(|row| row.since <= then);
        due.map(|row| {
            row.since = now;
            row.reply.clone()
        })
        .collect()
    }

    /// What was gathered, in the order of the stream.
    pub(crate) fn into_rows(mut self) -> Vec<Fetched> {
        self.gathered.sort_by_key(|row| row.sequence);
        self.gathered
    }
}
