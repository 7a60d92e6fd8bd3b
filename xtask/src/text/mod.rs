//! Text that is written down in one place and made in another.

mod block;
mod compare;

pub(crate) use block::{block_at, head_block, head_comment, region};
pub(crate) use compare::{diff, matches};
