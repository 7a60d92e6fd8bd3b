//! [`Step`]: what a part of the source did.

use super::{chain::Missed, open::Opened, position::Position, tracked::Tracked};

/// What comes next.
pub(super) enum Step {
    /// Some work was done: call again.
    On,
    /// A file was opened.
    Opened(Opened),
    /// Nothing for now.
    Idle,
    /// A file is finished: how far it was read, where the next begins, and how much of it is lost.
    Over(Box<Left>),
    /// A late write to a file that was left: its position, and how many bytes.
    Missed(Box<Missed>),
    /// There will never be more.
    Ended,
}

/// A file that is left behind.
pub(super) struct Left {
    pub(super) file: Tracked,
    /// Where the file behind it begins, if there is one.
    pub(super) next: Option<Position>,
    /// The bytes that existed and could not be read.
    pub(super) lost: u64,
}
