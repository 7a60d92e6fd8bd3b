//! One delivery of a flow whose functions keep state: it is worked on in three stages, and again from
//! the second if its round is not committed.

use std::ops::Range;

use super::{
    delivery::{Desk, Interrupted, Part, Work, pass_on},
    ledger::Tally,
    names::Names,
    piece::Piece,
    provenance::Provenance,
    room::Room,
    wait::Wait,
};
use crate::{
    conf::Ordered,
    flow::Stage,
    round::{Facts, Settlement, States, Ticket},
    source::PositionChange,
};

impl Desk {
    /// Works on a delivery until its round is committed, with its positions and bad rows. Returns
    /// what became of the rows, and from which of them the bad ones come.
    pub(super) async fn work_in_rounds(
        &self,
        from: &Provenance<'_>,
        parts: Vec<Part>,
        (ticket, positions): (&mut Ticket, &[PositionChange]),
        keyed: Range<usize>,
        room: &mut Room,
    ) -> Result<(Tally, Option<Vec<usize>>), Interrupted> {
        let before = Stage { until: keyed.start, states: None };
        let Work { tally: before, bad, arrived, mut turns, .. } =
            self.work(from, parts, Some(&before)).await?;
        let mut bad_rows: Vec<Option<usize>> = bad.iter().map(|bad| bad.source_row).collect();
        let mut names = Names::of_bad();
        if !bad.is_empty() {
            // No state was used, so they are bad in each attempt.
            self.keep(self.quarantine.keeping(names.name(bad, from))).await?;
        }
        let mut wait = Wait::default();
        loop {
            let entered = self.hard_stop.run_until_cancelled(ticket.enter()).await;
            let states = entered.flatten().ok_or(Interrupted)?;
            turns.drain(..).for_each(pass_on);
            let mut work = self.work_inside(from, arrived.clone(), states, keyed.end).await?;
            ticket.leave();
            let behind = Stage { until: usize::MAX, states: None };
            for piece in std::mem::take(&mut work.arrived) {
                self.process(from, piece, &mut work, Some(&behind)).await?;
            }
            // The next delivery is worked on while this one is committed.
            room.let_next_in();
            let Work { tally, bad, .. } = work;
            let bad_behind: Vec<Option<usize>> = bad.iter().map(|bad| bad.source_row).collect();
            let facts = Facts {
                positions: positions.to_vec(),
                bad: names.clone().name(bad, from),
                quarantine: Some(self.quarantine.clone()),
            };
            let tell = |why: Option<&str>| match why {
                Some(why) => drop(wait.tell(self, why)),
                None => drop(wait.over()),
            };
            let settled = self.hard_stop.run_until_cancelled(ticket.settle(facts, tell)).await;
            match settled {
                Some(Settlement::Committed) => {
                    let mut all = before;
                    all.add(&tally);
                    bad_rows.extend(bad_behind);
                    return Ok((all, bad_rows.into_iter().collect()));
                }
                Some(Settlement::Again) => {}
                Some(Settlement::Gone | Settlement::Failed(_)) | None => return Err(Interrupted),
            }
        }
    }

    /// The stage in which states change. In a flow that is ordered it goes to the end of the chain, so
    /// that rows keep their order behind the states as well.
    async fn work_inside(
        &self,
        from: &Provenance<'_>,
        arrived: Vec<Piece>,
        states: States,
        end: usize,
    ) -> Result<Work, Interrupted> {
        let until = if self.source.ordered == Ordered::No { end } else { usize::MAX };
        let inside = Stage { until, states: Some(states) };
        let mut work = Work::default();
        for piece in arrived {
            self.process(from, piece, &mut work, Some(&inside)).await?;
        }
        Ok(work)
    }
}
