//! What messages say: which row one has, which pull it answers, and how the consumer counts.

use async_nats::Message;
use tokio::time::Instant;

use crate::{name::Delivered, shelf::Fetched};

/// How the consumer counts what it delivers.
#[derive(Default)]
pub(super) struct Numbers {
    epoch: u64,
    /// The last number in it.
    last: u64,
}

impl Numbers {
    /// The numbers that follow cannot be compared with those before.
    pub(super) fn begin_anew(&mut self) {
        (self.epoch, self.last) = (self.epoch + 1, 0);
    }

    /// Gives a row that arrives its epoch.
    pub(super) fn count(&mut self, row: &mut Fetched) {
        if row.number <= self.last {
            // The server was killed and has forgotten what it counted.
            self.epoch += 1;
        }
        (row.epoch, self.last) = (self.epoch, row.number);
    }
}

/// The number of the pull that a message answers.
pub(super) fn pull_of(message: &Message) -> Option<u64> {
    message.subject.rsplit('.').next()?.parse().ok()
}

/// A row of the stream; nothing where somebody else wrote to the inbox.
pub(super) fn fetched(message: Message, since: Instant) -> Option<Fetched> {
    let reply = message.reply?;
    let Delivered { sequence, number, is_again } = Delivered::read(&reply)?;
    let payload = message.payload;
    message.status.is_none().then_some(Fetched {
        payload,
        sequence,
        number,
        is_again,
        epoch: 0,
        reply,
        since,
    })
}
