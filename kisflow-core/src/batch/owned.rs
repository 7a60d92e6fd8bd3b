//! [`Owned`]: rows of a user's type, whose `Drop` must not end what drops them.

use std::{
    mem::needs_drop,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tracing::warn;

/// Rows that are dropped one by one: one that panics takes no other with it.
pub(crate) struct Owned<T>(Vec<T>);

impl<T> From<Vec<T>> for Owned<T> {
    fn from(rows: Vec<T>) -> Self {
        Self(rows)
    }
}

impl<T> Deref for Owned<T> {
    type Target = Vec<T>;

    #[inline]
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !needs_drop::<T>() {
            return;
        }
        let mut drop_all = || while self.0.pop().is_some() {};
        while catch_unwind(AssertUnwindSafe(&mut drop_all)).is_err() {
            warn!("a row panicked when it was dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    struct Brittle(u32, Arc<AtomicUsize>);

    impl Drop for Brittle {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::SeqCst);
            assert!(!self.0.is_multiple_of(3), "it breaks");
        }
    }

    #[test]
    fn every_row_is_dropped_whichever_panics() {
        let dropped = Arc::<AtomicUsize>::default();
        drop(Owned::from((0..10).map(|id| Brittle(id, dropped.clone())).collect::<Vec<_>>()));
        assert_eq!(dropped.load(Ordering::SeqCst), 10);
    }
}
