//! [`Figures`]: how a flow is getting on, and how fast.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};

use kisflow_core::{Flows, Ledger};

/// How a flow is getting on.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) flow: String,
    /// Rows that were done in a second, of late.
    pub(super) per_second: u64,
    pub(super) read: u64,
    /// What is still to be read, where the source knows.
    pub(super) lag: Option<Lag>,
    pub(super) in_flight: u64,
    pub(super) quarantined: u64,
}

/// What is still to be read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Lag {
    Rows(u64),
    Bytes(u64),
}

impl Lag {
    /// What the sources of flows say, by flow.
    pub(super) fn of(flows: &Flows) -> BTreeMap<String, Self> {
        let rows = flows.lags().into_iter().map(|(flow, rows)| (flow, rows.map(Self::Rows)));
        let bytes = flows.lags_bytes().into_iter();
        let bytes = bytes.map(|(flow, bytes)| (flow, bytes.map(Self::Bytes)));
        rows.chain(bytes).filter_map(|(flow, lag)| Some((flow, lag?))).collect()
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => write!(formatter, "{rows}"),
            Self::Bytes(bytes) => write!(formatter, "{bytes} bytes"),
        }
    }
}

impl Figures {
    /// Whether nothing has happened in between; the rate falls by itself.
    pub(super) fn is_same_state(&self, other: &Self) -> bool {
        let rate = other.per_second;
        Self { per_second: rate, ..self.clone() } == *other
    }
}

/// How fast flows are, over the last while.
pub(super) struct Pace {
    window: Duration,
    /// The oldest first: rows that were done, by flow.
    samples: VecDeque<(Instant, BTreeMap<String, u64>)>,
}

impl Pace {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, samples: VecDeque::new() }
    }

    /// The figures of each flow, now.
    pub(super) fn figures(
        &mut self,
        now: Instant,
        ledgers: &BTreeMap<String, Ledger>,
        lags: &BTreeMap<String, Lag>,
    ) -> Vec<Figures> {
        let done = ledgers.iter().map(|(flow, ledger)| (flow.clone(), done(ledger))).collect();
        let too_old = |(at, _): &(Instant, _)| now.duration_since(*at) > self.window;
        // The one before the window stays: it is what the first one within is measured against.
        while self.samples.get(1).is_some_and(too_old) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, done));
        let figures = ledgers.iter().map(|(flow, ledger)| Figures {
            flow: flow.clone(),
            per_second: self.per_second(flow),
            read: ledger.read,
            lag: lags.get(flow).copied(),
            in_flight: ledger.in_flight,
            quarantined: ledger.quarantined,
        });
        figures.collect()
    }

    fn per_second(&self, flow: &str) -> u64 {
        let (Some((from, before)), Some((to, now))) = (self.samples.front(), self.samples.back())
        else {
            return 0;
        };
        let rows = |done: &BTreeMap<String, u64>| done.get(flow).copied().unwrap_or_default();
        let seconds = to.duration_since(*from).as_secs_f64();
        if seconds == 0.0 {
            return 0;
        }
        (rows(now).saturating_sub(rows(before)) as f64 / seconds).round() as u64
    }
}

/// Rows of the source that are no more in anybody's hands.
fn done(ledger: &Ledger) -> u64 {
    ledger.read.saturating_sub(ledger.in_flight + ledger.returned)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        time::{Duration, Instant},
    };

    use kisflow_core::Ledger;

    use super::{Figures, Lag, Pace};

    /// Rows that were read, second by second, and the rate at the end.
    fn check(window: u64, read: &[u64], rate: u64) {
        let mut pace = Pace::new(Duration::from_secs(window));
        let begun = Instant::now();
        let mut last = Vec::new();
        for (second, read) in read.iter().enumerate() {
            let mut ledger = Ledger::default();
            ledger.read = *read;
            let ledgers = BTreeMap::from([("Invoices".to_owned(), ledger)]);
            let now = begun + Duration::from_secs(second as u64);
            last = pace.figures(now, &ledgers, &BTreeMap::new());
        }
        assert_eq!(last[0].per_second, rate, "{read:?}");
    }

    #[test]
    fn a_rate_is_what_was_done_within_the_window() {
        check(5, &[0], 0);
        check(5, &[0, 100], 100);
        check(5, &[0, 0, 0, 300], 100);
        check(2, &[0, 1000, 1000, 1000, 1000], 0);
        check(2, &[0, 1000, 1010, 1020, 1030], 10);
    }

    #[test]
    fn rows_in_flight_are_not_done() {
        let mut pace = Pace::new(Duration::from_secs(5));
        let mut ledger = Ledger::default();
        let begun = Instant::now();
        let mut look = |second, ledger| {
            let ledgers = BTreeMap::from([("Invoices".to_owned(), ledger)]);
            let lags = BTreeMap::from([("Invoices".to_owned(), Lag::Bytes(7))]);
            pace.figures(begun + Duration::from_secs(second), &ledgers, &lags)
        };
        look(0, ledger);
        (ledger.read, ledger.in_flight, ledger.delivered) = (10, 4, 6);
        let figures = look(1, ledger);
        assert_eq!((figures[0].per_second, figures[0].lag), (6, Some(Lag::Bytes(7))));
    }

    #[test]
    fn a_rate_that_falls_is_no_news() {
        let busy = Figures { read: 10, per_second: 10, ..Figures::default() };
        assert!(busy.is_same_state(&Figures { per_second: 0, ..busy.clone() }));
        assert!(!busy.is_same_state(&Figures { in_flight: 1, ..busy.clone() }));
    }
}
