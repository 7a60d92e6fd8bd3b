//! A source in memory, which keeps the rules of sources, or breaks one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use super::{Lease, SourceWorld, World};
use crate::{Batch, Delivery, Receipt, Result, Settled, Source, SourceConf, SourceContext};

/// A rule that a source breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Breaks {
    Nothing,
    Order,
    BatchSize,
    Positions,
    CancelledReads,
    Connections,
    Release,
    Leases,
    Acknowledgement,
    Repetition,
    RefusedRepetition,
    Gaps,
    Drops,
    Closing,
    Reads,
    Sharing,
    Prefetch,
    End,
}

/// Rows by position: those that wait, and those that a reader has, with the end of its lease.
#[derive(Default)]
struct Rows {
    waiting: BTreeMap<usize, String>,
    held: BTreeMap<usize, (String, Instant)>,
    /// Everything that was fed.
    all: Vec<String>,
    done: BTreeSet<usize>,
    broken: bool,
}

/// Rows that several readers share.
pub(super) struct Shelf {
    rows: Mutex<Rows>,
    changed: Notify,
    breaks: Breaks,
}

impl Shelf {
    /// Takes up to so many rows that wait, or whose lease is over.
    fn take(&self, count: usize, lease: Duration) -> Vec<(usize, String)> {
        let mut rows = self.rows.lock().unwrap();
        let over: Vec<usize> = rows
            .held
            .iter()
            .filter(|(_, (_, until))| *until <= Instant::now() && self.breaks != Breaks::Leases)
            .map(|(position, _)| *position)
            .collect();
        for position in over {
            if let Some((row, _)) = rows.held.remove(&position) {
                rows.waiting.insert(position, row);
            }
        }
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some((position, row)) = rows.waiting.pop_first()
        {
            // At most once: it is not recorded who has it.
            if self.breaks != Breaks::Reads {
                rows.held.insert(position, (row.clone(), Instant::now() + lease));
            }
            taken.push((position, row));
        }
        taken
    }

    fn give_back(&self, positions: &[usize]) {
        let mut rows = self.rows.lock().unwrap();
        for position in positions {
            if let Some((row, _)) = rows.held.remove(position) {
                rows.waiting.insert(*position, row);
            }
        }
        self.changed.notify_waiters();
    }

    /// Marks everything that a reader has as done.
    fn acknowledge_all(&self) {
        let held: Vec<usize> = self.rows.lock().unwrap().held.keys().copied().collect();
        self.acknowledge(&held);
    }

    fn acknowledge(&self, positions: &[usize]) {
        let mut rows = self.rows.lock().unwrap();
        rows.done.extend(positions);
        let last = positions.iter().max().copied().unwrap_or_default();
        rows.held.retain(|position, _| match self.breaks {
            Breaks::Gaps => *position > last,
            _ => !positions.contains(position),
        });
    }
}

/// One reader of a shelf.
pub(super) struct Reader {
    shelf: Arc<Shelf>,
    lease: Duration,
    /// What a reader has taken ahead that breaks the rule of back pressure.
    ahead: Vec<(usize, String)>,
    /// How far a reader is that does not share.
    seen: usize,
    deliveries: usize,
}

#[async_trait]
impl Source for Reader {
    const TYPE: &'static str = "shelf";
    type Params = ();

    async fn open(_: &SourceConf, (): (), _: SourceContext) -> Result<Self> {
        Err("opened by the world".into())
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        let breaks = self.shelf.breaks;
        loop {
            let changed = self.shelf.changed.notified();
            if self.shelf.rows.lock().unwrap().broken {
                return Err("the shelf has fallen down".into());
            }
            if breaks == Breaks::Sharing {
                let rows = self.shelf.rows.lock().unwrap().all.clone();
                let new: Vec<_> = rows.into_iter().enumerate().skip(self.seen).take(10).collect();
                self.seen += new.len();
                if !new.is_empty() {
                    return Ok(Some(self.deliver(new)));
                }
            }
            if breaks == Breaks::End && self.deliveries > 0 {
                return Ok(None);
            }
            let most = if breaks == Breaks::BatchSize { 11 } else { 10 };
            let fetched = if breaks == Breaks::Prefetch { 100 } else { most };
            if self.ahead.is_empty() {
                self.ahead = self.shelf.take(fetched, self.lease);
            }
            let mut taken: Vec<_> = self.ahead.drain(..self.ahead.len().min(most)).collect();
            if breaks == Breaks::Order {
                taken.reverse();
            }
            if !taken.is_empty() {
                self.deliveries += 1;
                if breaks == Breaks::CancelledReads {
                    sleep(Duration::from_millis(5)).await;
                }
                return Ok(Some(self.deliver(taken)));
            }
            // Until there is more, or a lease is over.
            let soon = Instant::now() + Duration::from_millis(1);
            let late = Instant::now() + Duration::from_secs(86_400);
            let over = self.shelf.rows.lock().unwrap().held.values().map(|(_, until)| *until).min();
            tokio::select! {
                () = changed => {}
                () = sleep_until(over.unwrap_or(late).max(soon)) => {}
            }
        }
    }

    async fn close(self) -> Result<()> {
        if self.shelf.breaks == Breaks::Closing {
            self.shelf.acknowledge_all();
        }
        let ahead: Vec<usize> = self.ahead.iter().map(|(position, _)| *position).collect();
        self.shelf.give_back(&ahead);
        Ok(())
    }
}

impl Reader {
    fn deliver(&self, rows: Vec<(usize, String)>) -> Delivery {
        let (positions, texts): (Vec<usize>, Vec<String>) = rows.into_iter().unzip();
        let slip = Slip { shelf: self.shelf.clone(), positions, told: AtomicBool::new(false) };
        Delivery::new(Batch::json(texts), slip)
    }
}

struct Slip {
    shelf: Arc<Shelf>,
    positions: Vec<usize>,
    told: AtomicBool,
}

#[async_trait]
impl Receipt for Slip {
    fn position(&self, row: usize) -> String {
        match self.shelf.breaks {
            Breaks::Positions => row.to_string(),
            _ => self.positions.get(row).map(ToString::to_string).unwrap_or_default(),
        }
    }

    async fn done(&self, _: &Settled) -> Result<()> {
        match (self.shelf.breaks, self.told.swap(true, Ordering::Relaxed)) {
            (Breaks::Repetition, true) => self.shelf.acknowledge_all(),
            (Breaks::RefusedRepetition, true) => return Err("nobody has these rows".into()),
            _ => self.shelf.acknowledge(&self.positions),
        }
        Ok(())
    }

    async fn release(&self) -> Result<()> {
        if self.shelf.breaks != Breaks::Release {
            self.shelf.give_back(&self.positions);
        }
        Ok(())
    }
}

impl Drop for Slip {
    fn drop(&mut self) {
        if self.shelf.breaks == Breaks::Drops {
            self.shelf.acknowledge(&self.positions);
        }
    }
}

/// Makes shelves that break a rule.
pub(super) struct Shelves(pub(super) Breaks);

#[async_trait]
impl SourceWorld for Shelves {
    type World = Arc<Shelf>;

    async fn create(&self) -> Arc<Shelf> {
        Arc::new(Shelf { rows: Mutex::default(), changed: Notify::new(), breaks: self.0 })
    }
}

#[async_trait]
impl World for Arc<Shelf> {
    type Source = Reader;

    async fn open(&self, lease: Lease) -> Reader {
        let lease = match lease {
            Lease::Short => Duration::from_millis(500),
            Lease::Long => Duration::from_secs(3_600),
        };
        let mut rows = self.rows.lock().unwrap();
        if self.breaks == Breaks::Acknowledgement {
            rows.waiting = rows.all.iter().cloned().enumerate().collect();
        }
        let seen = (0..).find(|position| !rows.done.contains(position)).unwrap_or_default();
        Reader { shelf: self.clone(), lease, ahead: Vec::new(), seen, deliveries: 0 }
    }

    async fn feed(&self, new: Vec<String>) {
        let mut rows = self.rows.lock().unwrap();
        for row in new {
            let position = rows.all.len();
            rows.all.push(row.clone());
            rows.waiting.insert(position, row);
        }
        drop(rows);
        self.changed.notify_waiters();
    }

    async fn disconnect(&self) {
        self.rows.lock().unwrap().broken = self.breaks == Breaks::Connections;
    }
}
