//! [`Ledger`]: the account of every row that a source gave to a flow.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use serde::Serialize;

use crate::{flow::RowCounts, metrics::SourceMetrics};

/// The account of every row that a source gave to a flow.
///
/// `read + resumed + added = delivered + filtered + aborted + quarantined + waiting + folded + returned +
/// in_flight`, always: rows made from others are `added`, rows that became part of others `folded`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Ledger {
    /// Rows that came from the source. A redelivered row counts again.
    pub read: u64,
    /// Rows that reached the end of the flow.
    pub delivered: u64,
    /// Rows that a function dropped on purpose.
    pub filtered: u64,
    /// Rows whose run a function ended with `Abort`.
    pub aborted: u64,
    /// Rows that are durably in quarantine.
    pub quarantined: u64,
    /// Rows that were moved to the store to wait for what is unavailable.
    pub waiting: u64,
    /// Rows that waited in the store and do so no more: they are done, or wait at a later function and
    /// count as `waiting` again. They may have come there in another process.
    pub resumed: u64,
    /// Rows made from others.
    pub added: u64,
    /// Rows that became part of others.
    pub folded: u64,
    /// Rows given back to the source, not done.
    pub returned: u64,
    /// Rows in progress.
    pub in_flight: u64,
}

impl Ledger {
    /// Returns the number of rows missing from the ledger: anything but 0 is a bug in kisflow.
    #[must_use]
    pub fn unaccounted(&self) -> i64 {
        let entered = self.read + self.resumed + self.added;
        let done = self.delivered + self.filtered + self.aborted + self.quarantined + self.folded;
        let left = done + self.waiting + self.returned + self.in_flight;
        entered.cast_signed().wrapping_sub(left.cast_signed())
    }
}

/// `50 rows read, 49 delivered, 1 quarantined`.
impl fmt::Display for Ledger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} rows read, {} delivered", self.read, self.delivered)?;
        let rest = [
            ("filtered", self.filtered),
            ("aborted", self.aborted),
            ("quarantined", self.quarantined),
            ("waiting", self.waiting),
            ("resumed", self.resumed),
            ("added", self.added),
            ("folded", self.folded),
            ("returned", self.returned),
            ("in flight", self.in_flight),
        ];
        rest.iter()
            .filter(|(_, rows)| *rows > 0)
            .try_for_each(|(word, rows)| write!(formatter, ", {rows} {word}"))
    }
}

/// The ledger of one flow while it is served.
pub(crate) struct Books {
    pub(super) metrics: SourceMetrics,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    /// When each delivery in flight began.
    open: BTreeMap<u64, Instant>,
    next: u64,
    /// How many rows were still to be read when the source was last asked.
    lag: Option<u64>,
    /// How many bytes, if the source counts bytes.
    lag_bytes: Option<u64>,
}

/// The account of one delivery.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    pub(super) filtered: u64,
    pub(super) aborted: u64,
    pub(super) quarantined: u64,
    pub(super) waiting: u64,
    pub(super) added: u64,
    pub(super) folded: u64,
}

impl Tally {
    /// Adds a run. Its rejected rows are counted where they are kept, its failed rows where they
    /// are tried again.
    pub(super) fn run(&mut self, rows: &RowCounts) {
        self.delivered += rows.rows_out as u64;
        self.filtered += rows.filtered as u64;
        self.aborted += rows.aborted as u64;
        self.added += rows.added as u64;
        self.folded += rows.folded as u64;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.filtered += other.filtered;
        self.aborted += other.aborted;
        self.quarantined += other.quarantined;
        self.waiting += other.waiting;
        self.added += other.added;
        self.folded += other.folded;
    }
}

/// A delivery in flight. If it is dropped unsettled, its rows count as returned.
pub(super) struct Entry<'a> {
    books: &'a Books,
    id: u64,
    rows: u64,
    closed: bool,
}

impl Books {
    pub(super) fn new(metrics: SourceMetrics) -> Self {
        Self { metrics, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts rows that were read.
    pub(super) fn open(&self, rows: usize) -> Entry<'_> {
        let rows = rows as u64;
        let mut inner = self.lock();
        inner.ledger.read += rows;
        inner.ledger.in_flight += rows;
        let id = inner.next;
        inner.next += 1;
        inner.open.insert(id, Instant::now());
        self.metrics.read.increment(rows);
        self.metrics.in_flight.set(inner.ledger.in_flight as f64);
        Entry { books: self, id, rows, closed: false }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.lock().ledger
    }

    /// Sets how many rows the source still has to read.
    pub(super) fn lags(&self, rows: u64) {
        self.lock().lag = Some(rows);
        self.metrics.lag.set(rows as f64);
    }

    pub(crate) fn lag(&self) -> Option<u64> {
        self.lock().lag
    }

    /// Sets how many bytes the source still has to read.
    pub(super) fn lags_bytes(&self, bytes: u64) {
        self.lock().lag_bytes = Some(bytes);
        self.metrics.lag_bytes.set(bytes as f64);
    }

    pub(crate) fn lag_bytes(&self) -> Option<u64> {
        self.lock().lag_bytes
    }

    /// Updates the age of the oldest delivery in flight.
    pub(super) fn observe(&self) {
        let oldest = self.lock().open.values().next().map(Instant::elapsed);
        self.metrics.oldest.set(oldest.unwrap_or_default().as_secs_f64());
    }

    /// Sets how many rows of the flow wait in the store.
    pub(super) fn waits(&self, rows: u64) {
        self.metrics.waiting_now.set(rows as f64);
    }

    /// Counts rows that waited in the store and are done, and what became of them.
    pub(super) fn resumed(&self, rows: u64, tally: &Tally) {
        let mut inner = self.lock();
        inner.ledger.resumed += rows;
        self.metrics.resumed.increment(rows);
        self.count(&mut inner.ledger, tally);
    }

    fn close(&self, id: u64, rows: u64, tally: &Tally, returned: u64) {
        let mut inner = self.lock();
        inner.open.remove(&id);
        let ledger = &mut inner.ledger;
        ledger.in_flight -= rows;
        ledger.returned += returned;
        if returned > 0 {
            self.metrics.returned.increment(returned);
        }
        self.metrics.in_flight.set(ledger.in_flight as f64);
        self.count(ledger, tally);
    }

    /// Adds what became of rows.
    fn count(&self, ledger: &mut Ledger, tally: &Tally) {
        let metrics = &self.metrics;
        let count = [
            (&mut ledger.delivered, &metrics.delivered, tally.delivered),
            (&mut ledger.filtered, &metrics.filtered, tally.filtered),
            (&mut ledger.aborted, &metrics.aborted, tally.aborted),
            (&mut ledger.quarantined, &metrics.quarantined, tally.quarantined),
            (&mut ledger.waiting, &metrics.waiting, tally.waiting),
            (&mut ledger.added, &metrics.added, tally.added),
            (&mut ledger.folded, &metrics.folded, tally.folded),
        ];
        for (sum, counter, rows) in count {
            if rows > 0 {
                *sum += rows;
                counter.increment(rows);
            }
        }
        metrics.unaccounted.set(ledger.unaccounted() as f64);
    }
}

impl Entry<'_> {
    /// Counts the rows as done.
    pub(super) fn done(mut self, tally: &Tally) {
        self.closed = true;
        // A source may come further without rows.
        self.books.metrics.batches.increment(u64::from(self.rows > 0));
        self.books.close(self.id, self.rows, tally, 0);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.books.close(self.id, self.rows, &Tally::default(), self.rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ledger;

    #[test]
    fn a_row_that_is_nowhere_or_in_two_places_is_unaccounted() {
        let even = Ledger {
            read: 10,
            added: 4,
            delivered: 5,
            filtered: 1,
            aborted: 1,
            quarantined: 1,
            waiting: 2,
            resumed: 2,
            folded: 1,
            returned: 2,
            in_flight: 3,
        };
        assert_eq!(even.unaccounted(), 0);
        assert_eq!(Ledger { delivered: 4, ..even }.unaccounted(), 1);
        assert_eq!(Ledger { quarantined: 3, ..even }.unaccounted(), -2);
        assert_eq!(Ledger { waiting: 1, ..even }.unaccounted(), 1);
        assert_eq!(Ledger { resumed: 1, ..even }.unaccounted(), -1);
    }
}
