//! One delivery: runs its rows through the flow, keeps what cannot be processed, and settles the
//! receipt.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::oneshot, task::yield_now, time::sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::warn;

use super::{
    commits::Pending,
    lease::renew,
    ledger::{Books, Entry, Tally},
    names::Names,
    piece::Piece,
    provenance::Provenance,
    room::Room,
    wait::Wait,
    waiting::Waiting,
};
use crate::{
    conf::SourceConf,
    error::error_chain,
    flow::{Flow, Stage},
    health::Health,
    quarantine::{CommitMarker, Keeping, Quarantine, Quarantined},
    source::{Delivery, Receipt, Settled},
};

/// What all deliveries of a flow share.
pub(super) struct Desk {
    pub(super) flow: Flow,
    pub(super) source: SourceConf,
    pub(super) quarantine: Quarantine,
    pub(super) waiting: Arc<Waiting>,
    pub(super) books: Arc<Books>,
    pub(super) health: Health,
    /// Cancelled when the grace time is over.
    pub(super) hard_stop: CancellationToken,
}

/// Rows of a delivery that keep their order, and the turns that they wait for.
pub(super) struct Part {
    pub(super) rows: Piece,
    /// One for each of its lanes.
    pub(super) turns: Vec<Turn>,
}

/// A turn in a lane.
#[derive(Default)]
pub(super) struct Turn {
    /// The functions are through with the rows.
    pub(super) worked: TurnSignal,
    /// The rows are acknowledged.
    pub(super) settled: TurnSignal,
}

/// A signal from each turn in a lane to the next.
#[derive(Default)]
pub(super) struct TurnSignal {
    /// Resolves when the turn before has sent it.
    pub(super) before: Option<oneshot::Receiver<()>>,
    /// Sends it to the next turn; dropped if this turn fails.
    pub(super) next: Option<oneshot::Sender<()>>,
}

/// A delivery on its way through the flow.
pub(super) struct Task<'a> {
    pub(super) delivery: Delivery,
    pub(super) parts: Vec<Part>,
    pub(super) pending: Pending,
    pub(super) entry: Entry<'a>,
    /// Its room among those that are worked on at once.
    pub(super) room: Room,
}

/// The flow is to stop, or the source is to be opened anew, and the rows are not done.
pub(super) struct Interrupted;

/// The results of a delivery's rows so far.
#[derive(Default)]
pub(super) struct Work {
    pub(super) tally: Tally,
    pub(super) bad: Vec<BadRow>,
    /// Rows that waited in the store, and wait on.
    pub(super) waiting: Vec<WaitingOn>,
    /// The ids of rows that were moved to the store to wait.
    pub(super) names: Names,
    /// Rows that wait for what is away, while others of their piece went on.
    pub(super) deferred: Vec<Piece>,
    /// Rows at the end of their stage.
    pub(super) arrived: Vec<Piece>,
    /// The next turns of their lanes, which wait until these rows have their place in a round.
    pub(super) turns: Vec<oneshot::Sender<()>>,
    /// How often rows were sent through the flow from its first function again.
    pub(super) restarts: usize,
}

/// A row that waited in the store, and waits on.
pub(super) struct WaitingOn {
    pub(super) row: BadRow,
    /// The function that said that something is unavailable, by its place; `None` if a connector does
    /// not answer.
    pub(super) away: Option<usize>,
}

/// A row for the quarantine, without an id yet, and its position in the delivery if known.
pub(super) struct BadRow {
    pub(super) row: Quarantined,
    pub(super) source_row: Option<usize>,
}

impl Desk {
    /// Processes a delivery to its end, and settles its receipt.
    pub(super) async fn deliver(self: &Arc<Self>, task: Task<'_>) {
        let Task { delivery, mut parts, mut pending, entry, room } = task;
        let settled: Vec<TurnSignal> = parts
            .iter_mut()
            .flat_map(|part| &mut part.turns)
            .map(|turn| std::mem::take(&mut turn.settled))
            .collect();
        let receipt = &*delivery.receipt;
        // A task of its own: a function that does not let go of its thread must not lose the lease.
        let renewing = receipt.lease().map(|lease| {
            let (desk, receipt) = (self.clone(), delivery.receipt.clone());
            AbortOnDropHandle::new(tokio::spawn(async move {
                renew(desk.flow.name(), &*receipt, lease, &desk.books.metrics.lost_leases).await;
            }))
        });
        if renewing.is_some() {
            // A task that was never polled waits for this thread.
            yield_now().await;
        }
        let worked = async {
            let delivery = &delivery;
            let from = Provenance::Delivery(delivery);
            let (tally, rows, room) = match (&mut pending, self.flow.keyed()) {
                (Pending::Round(ticket, positions), Some(keyed)) => {
                    let round = (ticket, &**positions);
                    let mut room = room;
                    let (tally, rows) =
                        self.work_in_rounds(&from, parts, round, keyed, &mut room).await?;
                    (tally, rows, room)
                }
                _ => {
                    let (tally, rows) = self.work_and_keep(&from, parts).await?;
                    (tally, rows, room)
                }
            };
            let has_position = match &pending {
                Pending::Position(commit) => commit.is_some(),
                Pending::Round(_, positions) => !positions.is_empty(),
            };
            let mut next = Vec::new();
            for signal in settled {
                next.extend(match has_position {
                    // Positions are kept in the order of the source.
                    true => signal.next,
                    // No row is acknowledged before one that it must not pass: after a crash the
                    // older one would be redelivered behind it.
                    false => self.take(signal).await?,
                });
            }
            match &pending {
                Pending::Position(Some(_)) => {}
                // Committed with its positions, it is done whether the source hears of it or not.
                Pending::Round(..) if has_position => {
                    self.acknowledge(receipt, &tally, rows.clone()).await.ok();
                }
                _ => self.acknowledge(receipt, &tally, rows.clone()).await?,
            }
            Ok::<_, Interrupted>((tally, rows, next, room))
        };
        let worked = worked.await;
        if let Some(renewing) = renewing {
            // It has the receipt, whose end tells the source something.
            renewing.abort();
            renewing.await.ok();
        }
        match worked {
            Ok((tally, rows, next, room)) => {
                if let Pending::Position(Some(commit)) = pending {
                    // The next delivery is worked on while the position of this one is kept.
                    let receipt = delivery.receipt.clone();
                    drop((delivery, room));
                    let kept = self.hard_stop.run_until_cancelled(commit.done()).await;
                    if !matches!(kept, Some(Ok(()))) {
                        return;
                    }
                    self.acknowledge(&*receipt, &tally, rows).await.ok();
                }
                entry.done(&tally);
                next.into_iter().for_each(pass_on);
            }
            Err(Interrupted) => {
                // Others may go on meanwhile.
                drop(pending);
                if let Err(error) = receipt.release().await {
                    let error = error_chain(&*error).to_string();
                    warn!(flow = self.flow.name(), delivery = ?delivery, error, "rows could not be given back; they come again after their lease");
                }
                drop(entry);
            }
        }
    }

    /// Runs all parts through the flow, and keeps what is bad. Returns what became of the rows, and
    /// from which of them the bad ones come.
    async fn work_and_keep(
        &self,
        from: &Provenance<'_>,
        parts: Vec<Part>,
    ) -> Result<(Tally, Option<Vec<usize>>), Interrupted> {
        let Work { tally, bad, .. } = self.work(from, parts, None).await?;
        let rows = bad.iter().map(|bad| bad.source_row).collect();
        if !bad.is_empty() {
            let bad = Names::of_bad().name(bad, from);
            self.keep(self.quarantine.keeping(bad)).await?;
        }
        Ok((tally, rows))
    }

    /// All parts, side by side; rows of one lane wait for each other. They stop at the end of their
    /// stage, if they have one.
    pub(super) async fn work(
        &self,
        from: &Provenance<'_>,
        parts: Vec<Part>,
        stage: Option<&Stage>,
    ) -> Result<Work, Interrupted> {
        let one = |part: Part| async move {
            let Part { rows, turns } = part;
            let mut next = Vec::new();
            for turn in turns {
                next.extend(self.take(turn.worked).await?);
            }
            let mut work = Work::default();
            self.process(from, rows, &mut work, stage).await?;
            match stage {
                None => next.into_iter().for_each(pass_on),
                // They have no place among others yet.
                Some(_) => work.turns = next,
            }
            Ok(work)
        };
        let mut all = Work::default();
        for done in join_all(parts.into_iter().map(one)).await {
            let work = done?;
            all.tally.add(&work.tally);
            all.bad.extend(work.bad);
            all.arrived.extend(work.arrived);
            all.turns.extend(work.turns);
        }
        Ok(all)
    }

    /// Waits for the signal of the turn before. Returns the sender for the next turn.
    async fn take(&self, signal: TurnSignal) -> Result<Option<oneshot::Sender<()>>, Interrupted> {
        let TurnSignal { before, next } = signal;
        if let Some(before) = before
            && !matches!(self.hard_stop.run_until_cancelled(before).await, Some(Ok(())))
        {
            // The rows before these are not done, and are redelivered: these must not overtake them.
            return Err(Interrupted);
        }
        Ok(next)
    }

    /// Keeps rows; waits until they are durable. Returns their marker, if they have one.
    pub(super) async fn keep(
        &self,
        mut keeping: Keeping,
    ) -> Result<Option<CommitMarker>, Interrupted> {
        let rows = keeping.left();
        let mut wait = Wait::default();
        while let Err(error) = keeping.keep().await {
            let error = error_chain(&error).to_string();
            if wait.tell(self, &*error) {
                let (flow, failure) = (self.flow.name(), keeping.failure());
                warn!(flow, rows, error, "{failure}, and are not done until then");
            }
            wait.pause(self).await?;
        }
        Ok(keeping.into_marker())
    }

    /// Acknowledges the rows; waits until the source has the acknowledgement.
    async fn acknowledge(
        &self,
        receipt: &dyn Receipt,
        tally: &Tally,
        bad_rows: Option<Vec<usize>>,
    ) -> Result<(), Interrupted> {
        let rows = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let done = tally.delivered + tally.filtered + tally.aborted;
        let settled =
            Settled::new(rows(done), rows(tally.quarantined)).waiting(rows(tally.waiting));
        let settled = match bad_rows {
            Some(rows) => settled.bad_rows(rows),
            None => settled,
        };
        let mut wait = Wait::default();
        while let Err(error) = receipt.done(&settled).await {
            self.books.metrics.errors.increment(1);
            let error = error_chain(&*error).to_string();
            if wait.tell(self, format!("a batch cannot be acknowledged: {error}")) {
                let flow = self.flow.name();
                warn!(flow, error, "a batch is done and could not be acknowledged");
            }
            wait.pause(self).await?;
        }
        Ok(())
    }

    pub(super) async fn sleep(&self, pause: Duration) -> Result<(), Interrupted> {
        self.hard_stop.run_until_cancelled(sleep(pause)).await.ok_or(Interrupted)
    }
}

pub(super) fn pass_on(next: oneshot::Sender<()>) {
    // No turn may be waiting.
    next.send(()).ok();
}
