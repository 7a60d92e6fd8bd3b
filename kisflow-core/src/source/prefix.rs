//! [`Prefix`]: which offset may be committed when deliveries are done out of order.

use std::collections::VecDeque;

/// The offset that a source with offsets may commit: the end of the contiguous prefix of deliveries
/// that are done.
///
/// ```
/// use kisflow_core::Prefix;
///
/// let mut prefix = Prefix::new();
/// let (first, second) = (prefix.begin(10), prefix.begin(25));
/// assert_eq!(prefix.done(second), None); // the first is not done
/// assert_eq!(prefix.done(first), Some(25));
/// ```
#[derive(Debug)]
pub struct Prefix<T> {
    /// The number of the first of `open`.
    first: u64,
    /// Each delivery's end, and whether it is done.
    open: VecDeque<(T, bool)>,
}

/// A delivery of a [`Prefix`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl<T> Prefix<T> {
    /// Nothing is open.
    #[must_use]
    pub fn new() -> Self {
        Self { first: 0, open: VecDeque::new() }
    }

    /// Records that a delivery was handed out that ends at `end`. Call it in the order of the
    /// source.
    pub fn begin(&mut self, end: T) -> Ticket {
        self.open.push_back((end, false));
        Ticket(self.first + self.open.len() as u64 - 1)
    }

    /// Marks the delivery as done. Returns the offset to commit if the prefix has grown. Calling it
    /// twice is harmless.
    pub fn done(&mut self, ticket: Ticket) -> Option<T> {
        let index = ticket.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some((_, done)) = index.and_then(|index| self.open.get_mut(index)) {
            *done = true;
        }
        let mut commit = None;
        while let Some((end, _)) = self.open.pop_front_if(|(_, done)| *done) {
            self.first += 1;
            commit = Some(end);
        }
        commit
    }

    /// Returns how many deliveries were handed out and are not yet in the prefix.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

impl<T> Default for Prefix<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn only_the_contiguous_prefix_is_committed() {
        let mut prefix = Prefix::new();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|end| prefix.begin(end));
        assert_eq!(prefix.done(c), None);
        assert_eq!(prefix.done(b), None);
        assert_eq!(prefix.done(a), Some("c"));
        assert_eq!(prefix.open(), 1);
        assert_eq!(prefix.done(a), None, "done twice is no harm");
        assert_eq!(prefix.done(d), Some("d"));
        assert_eq!(prefix.done(d), None);
        assert_eq!(prefix.open(), 0);
    }
}
