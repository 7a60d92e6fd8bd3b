//! A source whose rows are numbered, and which remembers what it was told about each.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use kisflow::{
    Batch, Delivery, Receipt, Result, Settled, Source, SourceConf, SourceContext, async_trait,
};
use serde::Deserialize;
use tokio::sync::Notify;

/// Tapes by name: the test and the source see the same one.
static TAPES: LazyLock<Mutex<BTreeMap<String, Arc<Tape>>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
pub(crate) struct Tape {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<u64>,
    held: BTreeSet<u64>,
    done: Vec<u64>,
    settled: Settled,
    settlements: usize,
    released: Vec<u64>,
    renewed: u32,
    endless: bool,
    lease: Option<Duration>,
    /// Errors that the next reads, or openings, or acknowledgements give.
    broken_reads: u32,
    broken_opens: u32,
    broken_acks: u32,
    panics: u32,
    /// It does not say how many rows wait, or takes so long to say it.
    mute: bool,
    ponders: Duration,
    broken_releases: u32,
    /// So many acknowledgements, openings, questions for a position panic.
    torn_slips: u32,
    torn_opens: u32,
    torn_positions: u32,
    /// It never comes to be open.
    stuck: bool,
    /// It ends with its last row, though that is not done.
    hasty: bool,
    /// Rows that have only a number.
    bare: BTreeSet<u64>,
    /// Deliveries without rows that come before the others.
    blanks: u32,
    /// Differs where other rows stand at the same places.
    edition: u32,
    generation: String,
    opened: u32,
    most_held: usize,
}

impl Tape {
    /// The tape of this name, with rows numbered from 0.
    pub(crate) fn new(name: &str, rows: u64) -> Arc<Self> {
        let tape = Arc::new(Self::default());
        tape.inner.lock().unwrap().waiting.extend(0..rows);
        TAPES.lock().unwrap().insert(name.to_owned(), tape.clone());
        tape
    }

    /// The tape of this name.
    pub(crate) fn of(name: &str) -> Arc<Self> {
        TAPES.lock().unwrap()[name].clone()
    }

    /// It does not end with its last row.
    pub(crate) fn endless(self: Arc<Self>) -> Arc<Self> {
        self.set(|tape| tape.endless = true)
    }

    pub(crate) fn lease(self: Arc<Self>, lease: Duration) -> Arc<Self> {
        self.set(|tape| tape.lease = Some(lease))
    }

    /// So many reads, openings, acknowledgements fail; so many reads panic.
    pub(crate) fn broken(
        self: Arc<Self>,
        reads: u32,
        opens: u32,
        acks: u32,
        panics: u32,
    ) -> Arc<Self> {
        self.set(|tape| {
            (tape.broken_reads, tape.broken_opens, tape.broken_acks, tape.panics) =
                (reads, opens, acks, panics);
        })
    }

    /// So many deliveries without rows come first.
    pub(crate) fn blanks(self: Arc<Self>, deliveries: u32) -> Arc<Self> {
        self.set(|tape| tape.blanks = deliveries)
    }

    /// Other rows of the same numbers, at the same places.
    pub(crate) fn edition(self: Arc<Self>, edition: u32) -> Arc<Self> {
        self.set(|tape| tape.edition = edition)
    }

    /// Another tape of the name.
    pub(crate) fn generation(self: Arc<Self>, generation: usize) -> Arc<Self> {
        self.set(|tape| tape.generation = generation.to_string())
    }

    /// So many acknowledgements, or openings, panic.
    pub(crate) fn torn(self: Arc<Self>, slips: u32, opens: u32) -> Arc<Self> {
        self.set(|tape| (tape.torn_slips, tape.torn_opens) = (slips, opens))
    }

    /// So many questions for a position panic.
    pub(crate) fn torn_positions(self: Arc<Self>, positions: u32) -> Arc<Self> {
        self.set(|tape| tape.torn_positions = positions)
    }

    /// It ends with its last row, though that is not done.
    pub(crate) fn hasty(self: Arc<Self>) -> Arc<Self> {
        self.set(|tape| tape.hasty = true)
    }

    /// These rows have only a number.
    pub(crate) fn bare(self: Arc<Self>, rows: impl IntoIterator<Item = u64>) -> Arc<Self> {
        self.set(|tape| tape.bare = rows.into_iter().collect())
    }

    /// Further rows.
    pub(crate) fn refill(&self, rows: std::ops::Range<u64>) {
        self.inner.lock().unwrap().waiting.extend(rows);
        self.changed.notify_waiters();
    }

    /// It never comes to be open.
    pub(crate) fn stuck(self: Arc<Self>) -> Arc<Self> {
        self.set(|tape| tape.stuck = true)
    }

    /// Whether it does not say how many rows wait.
    pub(crate) fn mute(self: Arc<Self>, mute: bool) -> Arc<Self> {
        self.set(|tape| tape.mute = mute)
    }

    /// How long it takes to say how many rows wait.
    pub(crate) fn ponders(self: Arc<Self>, time: Duration) -> Arc<Self> {
        self.set(|tape| tape.ponders = time)
    }

    /// Rows cannot be given back.
    pub(crate) fn deaf_to_releases(self: Arc<Self>) -> Arc<Self> {
        self.set(|tape| tape.broken_releases = u32::MAX)
    }

    fn set(self: Arc<Self>, change: impl FnOnce(&mut Inner)) -> Arc<Self> {
        change(&mut self.inner.lock().unwrap());
        self
    }

    /// The rows that were acknowledged, in the order in which that came.
    pub(crate) fn done(&self) -> Vec<u64> {
        self.inner.lock().unwrap().done.clone()
    }

    pub(crate) fn released(&self) -> Vec<u64> {
        self.inner.lock().unwrap().released.clone()
    }

    /// What the acknowledgements said.
    pub(crate) fn settled(&self) -> Settled {
        self.inner.lock().unwrap().settled.clone()
    }

    /// How many deliveries were acknowledged.
    pub(crate) fn settlements(&self) -> usize {
        self.inner.lock().unwrap().settlements
    }

    /// How many reads are to fail yet.
    pub(crate) fn broken_reads(&self) -> u32 {
        self.inner.lock().unwrap().broken_reads
    }

    pub(crate) fn opened(&self) -> u32 {
        self.inner.lock().unwrap().opened
    }

    /// The most rows that were handed out and not settled at one time.
    pub(crate) fn most_held(&self) -> usize {
        self.inner.lock().unwrap().most_held
    }

    pub(crate) fn renewed(&self) -> u32 {
        self.inner.lock().unwrap().renewed
    }

    /// Waits until something about the tape is true.
    pub(crate) async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if wanted(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait)
            .await
            .expect("the tape never got there");
    }
}

/// The row of this number; seven shelves take turns.
pub(crate) fn text(id: u64) -> String {
    format!("{{\"id\":{id},\"shelf\":{}}}", id % 7)
}

/// The row of this number in a later edition of the tape.
pub(crate) fn edited(id: u64, edition: u32) -> String {
    match edition {
        0 => text(id),
        _ => format!("{{\"id\":{id},\"edition\":{edition}}}"),
    }
}

/// `type: tape`: `key` is the tape's name.
pub(crate) struct TapeSource {
    tape: Arc<Tape>,
    rows: usize,
}

#[derive(Deserialize)]
pub(crate) struct TapeParams {}

#[async_trait]
impl Source for TapeSource {
    const TYPE: &'static str = "tape";
    type Params = TapeParams;

    fn check(conf: &SourceConf, _: &TapeParams) -> Vec<(String, String)> {
        match conf.key.is_empty() {
            true => vec![("key".to_owned(), "a tape has a name".to_owned())],
            false => Vec::new(),
        }
    }

    async fn open(conf: &SourceConf, _: TapeParams, _: SourceContext) -> Result<Self> {
        let tape = TAPES.lock().unwrap().get(&conf.key).cloned().ok_or("no such tape")?;
        if tape.inner.lock().unwrap().stuck {
            tape.inner.lock().unwrap().opened += 1;
            tape.changed.notify_waiters();
            return std::future::pending().await;
        }
        let mut inner = tape.inner.lock().unwrap();
        inner.opened += 1;
        tape.changed.notify_waiters();
        if inner.broken_opens > 0 {
            inner.broken_opens -= 1;
            return Err("the tape is stuck".into());
        }
        if inner.torn_opens > 0 {
            inner.torn_opens -= 1;
            drop(inner);
            panic!("the tape tears");
        }
        // What a reader before this one held, comes again.
        let mut again: Vec<u64> = inner.held.iter().copied().collect();
        again.extend(inner.waiting.drain(..));
        again.sort_unstable();
        again.dedup();
        inner.held.clear();
        inner.waiting = again.into();
        drop(inner);
        Ok(Self { tape, rows: conf.batch.rows as usize })
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        loop {
            let changed = self.tape.changed.notified();
            {
                let mut inner = self.tape.inner.lock().unwrap();
                if inner.panics > 0 {
                    inner.panics -= 1;
                    drop(inner);
                    panic!("the tape tears");
                }
                if inner.broken_reads > 0 {
                    inner.broken_reads -= 1;
                    return Err("the tape is jammed".into());
                }
                let (lease, edition) = (inner.lease, inner.edition);
                if inner.blanks > 0 {
                    inner.blanks -= 1;
                    let slip = Slip { tape: self.tape.clone(), rows: Vec::new(), lease };
                    return Ok(Some(Delivery::new(Batch::empty(), slip)));
                }
                let count = inner.waiting.len().min(self.rows);
                let rows: Vec<u64> = inner.waiting.drain(..count).collect();
                if !rows.is_empty() {
                    inner.held.extend(&rows);
                    inner.most_held = inner.most_held.max(inner.held.len());
                    let batch = Batch::json(rows.iter().map(|id| match inner.bare.contains(id) {
                        true => format!("{{\"id\":{id}}}"),
                        false => edited(*id, edition),
                    }));
                    return Ok(Some(Delivery::new(
                        batch,
                        Slip { tape: self.tape.clone(), rows, lease },
                    )));
                }
                if (inner.held.is_empty() || inner.hasty) && !inner.endless {
                    return Ok(None);
                }
            }
            changed.await;
        }
    }

    async fn lag(&mut self) -> Result<Option<u64>> {
        let ponders = self.tape.inner.lock().unwrap().ponders;
        tokio::time::sleep(ponders).await;
        let inner = self.tape.inner.lock().unwrap();
        match inner.mute {
            true => Err("the tape is mute".into()),
            false => Ok(Some(inner.waiting.len() as u64)),
        }
    }
}

struct Slip {
    tape: Arc<Tape>,
    rows: Vec<u64>,
    lease: Option<Duration>,
}

#[async_trait]
impl Receipt for Slip {
    fn position(&self, row: usize) -> String {
        let mut inner = self.tape.inner.lock().unwrap();
        if inner.torn_positions > 0 {
            inner.torn_positions -= 1;
            drop(inner);
            panic!("the slip is illegible");
        }
        self.rows.get(row).map(ToString::to_string).unwrap_or_default()
    }

    fn generation(&self) -> String {
        self.tape.inner.lock().unwrap().generation.clone()
    }

    async fn done(&self, settled: &Settled) -> Result<()> {
        let mut inner = self.tape.inner.lock().unwrap();
        if inner.torn_slips > 0 {
            inner.torn_slips -= 1;
            drop(inner);
            panic!("the slip tears");
        }
        if inner.broken_acks > 0 {
            inner.broken_acks -= 1;
            return Err("the tape does not listen".into());
        }
        self.rows.iter().for_each(|row| {
            inner.held.remove(row);
        });
        inner.done.extend(&self.rows);
        inner.settlements += 1;
        inner.settled.delivered += settled.delivered;
        inner.settled.quarantined += settled.quarantined;
        inner.settled.waiting += settled.waiting;
        inner.settled.bad_rows.clone_from(&settled.bad_rows);
        self.tape.changed.notify_waiters();
        Ok(())
    }

    async fn release(&self) -> Result<()> {
        let mut inner = self.tape.inner.lock().unwrap();
        if inner.broken_releases > 0 {
            inner.broken_releases -= 1;
            return Err("the tape does not take rows back".into());
        }
        inner.released.extend(&self.rows);
        for row in &self.rows {
            inner.held.remove(row);
            inner.waiting.push_back(*row);
        }
        self.tape.changed.notify_waiters();
        Ok(())
    }

    fn lease(&self) -> Option<Duration> {
        self.lease
    }

    async fn renew(&self) -> Result<()> {
        self.tape.inner.lock().unwrap().renewed += 1;
        self.tape.changed.notify_waiters();
        Ok(())
    }
}
