//! A row that is lost on purpose, to see who notices.

use std::cell::Cell;

thread_local! {
    static IN_PICK: Cell<bool> = const { Cell::new(false) };
}

/// From now on every pick of this thread loses its last row.
pub(crate) fn lose(is_lost: bool) {
    IN_PICK.set(is_lost);
}

pub(super) fn in_pick(mut keep: Vec<usize>) -> Vec<usize> {
    if IN_PICK.get() {
        keep.pop();
    }
    keep
}
