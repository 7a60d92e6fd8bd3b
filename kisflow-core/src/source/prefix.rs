//! [`Prefix`]: which deliveries are done without a gap before them.

use std::collections::VecDeque;

/// Deliveries in the order of their source, which are done in any order.
#[derive(Debug)]
pub(crate) struct Prefix<T> {
    /// The number of the first of `open`.
    first: u64,
    /// What is known of each delivery, and whether it is done.
    open: VecDeque<(T, bool)>,
}

/// A delivery of a [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl<T> Prefix<T> {
    /// Records a delivery. Call it in the order of the source.
    pub(crate) fn begin(&mut self, delivery: T) -> Ticket {
        self.open.push_back((delivery, false));
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Marks a delivery as done. Returns those that are done and have no gap before them any more,
    /// in order. Calling it twice is harmless.
    pub(crate) fn done(&mut self, ticket: Ticket) -> Vec<T> {
        let index = ticket.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, done)) = index.and_then(|index| self.open.get_mut(index)) {
            *done = true;
        }
        let mut reached = Vec::new();
        while let Some((delivery, _)) = self.open.pop_front_if(|(_, done)| *done) {
            self.first += 1;
            reached.push(delivery);
        }
        reached
    }
}

impl<T> Default for Prefix<T> {
    fn default() -> Self {
        Self { first: 0, open: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn a_delivery_is_reached_when_all_before_it_are_done() {
        let mut prefix = Prefix::default();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|delivery| prefix.begin(delivery));
        assert_eq!(prefix.done(c), [""; 0]);
        assert_eq!(prefix.done(b), [""; 0]);
        assert_eq!(prefix.done(a), ["a", "b", "c"]);
        assert_eq!(prefix.done(a), [""; 0], "done twice is no harm");
        assert_eq!(prefix.done(d), ["d"]);
        assert_eq!(prefix.done(d), [""; 0]);
    }
}
