//! [`Ticket`]: the way of one delivery through the rounds.

use std::{future::Future, pin::pin, sync::Arc};

use tokio::sync::oneshot;

use super::{
    Facts, Settlement, Shared, States,
    state::{PartitionOf, TicketId},
};

/// The way of a delivery through the rounds: it enters, leaves and is settled, and does so again
/// until its round is committed. Dropped before that, nothing of it is.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    id: TicketId,
}

impl Ticket {
    pub(super) fn new(shared: Arc<Shared>, partition: Option<PartitionOf>) -> Self {
        let id = shared.state().add_ticket(partition);
        Self { shared, id }
    }

    /// Waits until the delivery is inside. `None` if it will not be: one before it is not done, or
    /// its reader has ended.
    ///
    /// # Cancel safety
    ///
    /// A dropped future has no effect, but the ticket has to be dropped as well.
    pub(crate) async fn enter(&mut self) -> Option<States> {
        let (sender, granted) = oneshot::channel();
        self.shared.change(|state| state.wait(self.id, sender));
        let grant = granted.await.ok()?;
        Some(States { shared: self.shared.clone(), member: grant.member, attempt: grant.attempt })
    }

    #[cfg(test)]
    pub(super) fn id(&self) -> TicketId {
        self.id
    }

    /// The delivery is behind the last function that keeps state.
    pub(crate) fn leave(&mut self) {
        self.shared.change(|state| state.leave(self.id));
    }

    /// Nothing of what the delivery has changed is to be committed. It has to be inside.
    pub(crate) fn give_up(self) {
        drop(self);
    }

    /// Waits until the round is committed, as [`settle`](Self::settle) does for rows that no source has
    /// read. If `cancelled` comes first, nothing of them is committed, and it returns `None`; once the
    /// commit is on its way, it waits for the outcome.
    pub(crate) async fn settle_unless(
        &mut self,
        cancelled: impl Future<Output = ()>,
    ) -> Option<Settlement> {
        let (shared, id) = (self.shared.clone(), self.id);
        let mut settling = pin!(self.settle(Facts::default(), |_| {}));
        tokio::select! {
            biased;
            settlement = &mut settling => return Some(settlement),
            () = cancelled => {}
        }
        match shared.change(|state| state.withdraw(id)) {
            true => None,
            false => Some(settling.await),
        }
    }

    /// The delivery is through the flow. Waits until its round is committed, or says why it is not.
    /// Calls `tell` with the reason while the store fails, and with `None` when it works again.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it is unknown whether the round is committed.
    pub(crate) async fn settle(
        &mut self,
        facts: Facts,
        mut tell: impl FnMut(Option<&str>),
    ) -> Settlement {
        let (sender, mut settled) = oneshot::channel();
        let mut trouble = self.shared.trouble.subscribe();
        self.shared.change(|state| state.finish(self.id, facts, sender));
        let mut is_told = false;
        loop {
            let why = trouble.borrow_and_update().clone();
            if why.is_some() || is_told {
                tell(why.as_deref());
                is_told = why.is_some();
            }
            tokio::select! {
                biased;
                settlement = &mut settled => {
                    if is_told {
                        tell(None);
                    }
                    // Its reader has ended.
                    return settlement.unwrap_or(Settlement::Gone);
                }
                // The sender lives as long as this ticket.
                _ = trouble.changed() => {}
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.change(|state| state.drop_ticket(self.id));
    }
}
