//! [`Memory`]: how many bytes the posts of one path may hold, and which body gives way when they
//! are used up.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kisflow_core::CancellationToken;
use tokio::time::Instant;

use crate::refusal::Refusal;

/// A body without a byte for this long gives way to one whose bytes are there.
const QUIET: Duration = Duration::from_secs(1);

/// A bound on the bytes of all posts of one path: arriving, waiting, and in progress.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    next: u64,
    /// The bodies that arrive, by a number of their own.
    arriving: BTreeMap<u64, Arriving>,
}

#[derive(Debug)]
struct Arriving {
    bytes: usize,
    last: Instant,
    give_way: CancellationToken,
}

impl Memory {
    /// A bound of this many bytes.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, state: Mutex::default() })
    }

    /// Creates a share of the memory for one post, without a byte yet.
    pub(crate) fn share(self: &Arc<Self>) -> Held {
        Held { memory: self.clone(), bytes: 0, arriving: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the bytes of the bodies that have been quiet the longest, until there are enough.
    fn make_room(&mut self, wanted: usize, limit: usize, except: Option<u64>, now: Instant) {
        while self.used.saturating_add(wanted) > limit {
            let quietest = self
                .arriving
                .iter()
                .filter(|(number, body)| {
                    Some(**number) != except
                        && body.bytes > 0
                        && now.saturating_duration_since(body.last) >= QUIET
                })
                .min_by_key(|(_, body)| body.last)
                .map(|(number, _)| *number);
            let Some(body) = quietest.and_then(|number| self.arriving.remove(&number)) else {
                return;
            };
            // Its reader drops the bytes as soon as the token is cancelled.
            self.used = self.used.saturating_sub(body.bytes);
            body.give_way.cancel();
        }
    }
}

/// The bytes that one post holds; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    bytes: usize,
    /// The number of a body that still arrives.
    arriving: Option<u64>,
}

impl Held {
    /// Marks the body as arriving. The token is cancelled when its bytes are taken for another.
    pub(crate) fn arrive(&mut self) -> CancellationToken {
        let give_way = CancellationToken::new();
        let mut state = self.memory.lock();
        let number = state.next;
        state.next += 1;
        let body = Arriving { bytes: 0, last: Instant::now(), give_way: give_way.clone() };
        state.arriving.insert(number, body);
        self.arriving = Some(number);
        give_way
    }

    /// Marks the body as complete.
    ///
    /// # Errors
    ///
    /// When its bytes have been taken for another.
    pub(crate) fn arrived(&mut self) -> Result<(), Refusal> {
        let Some(number) = self.arriving.take() else { return Ok(()) };
        let is_here = self.memory.lock().arriving.remove(&number).is_some();
        if is_here { Ok(()) } else { Err(self.taken()) }
    }

    /// Takes more bytes.
    ///
    /// # Errors
    ///
    /// When all bytes are used by others, or the post needs more than there are.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Refusal> {
        let limit = self.memory.limit;
        if self.bytes.saturating_add(more) > limit {
            return Err(Refusal::TooMuch { limit });
        }
        let now = Instant::now();
        let memory = self.memory.clone();
        let mut state = memory.lock();
        if self.arriving.is_some_and(|number| !state.arriving.contains_key(&number)) {
            drop(state);
            return Err(self.taken());
        }
        state.make_room(more, limit, self.arriving, now);
        if state.used.saturating_add(more) > limit {
            return Err(Refusal::NoMemory { limit });
        }
        state.used += more;
        self.bytes += more;
        if let Some(body) = self.arriving.and_then(|number| state.arriving.get_mut(&number)) {
            body.bytes += more;
            body.last = now;
        }
        Ok(())
    }

    /// Gives some of the bytes back.
    pub(crate) fn shrink(&mut self, less: usize) {
        let less = less.min(self.bytes);
        self.bytes -= less;
        let mut state = self.memory.lock();
        state.used = state.used.saturating_sub(less);
    }

    /// The post needs more than there is.
    pub(crate) fn too_much(&self) -> Refusal {
        Refusal::TooMuch { limit: self.memory.limit }
    }

    /// The bytes belong to another post now.
    pub(crate) fn taken(&mut self) -> Refusal {
        self.bytes = 0;
        self.arriving = None;
        Refusal::GaveWay { limit: self.memory.limit }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        let here = self.arriving.is_none_or(|number| state.arriving.remove(&number).is_some());
        if here {
            state.used = state.used.saturating_sub(self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_body_gives_way_and_one_that_moves_does_not() {
        let memory = Memory::new(100);
        let (mut quiet, mut moving) = (memory.share(), memory.share());
        let (quiet_gives_way, moving_gives_way) = (quiet.arrive(), moving.arrive());
        quiet.grow(40).unwrap();
        tokio::time::advance(QUIET).await;
        moving.grow(50).unwrap();
        let mut third = memory.share();
        assert_eq!(memory.share().grow(101), Err(Refusal::TooMuch { limit: 100 }));
        third.grow(40).unwrap();
        assert!(quiet_gives_way.is_cancelled() && !moving_gives_way.is_cancelled());
        assert_eq!(quiet.grow(1), Err(Refusal::GaveWay { limit: 100 }));
        assert_eq!(third.grow(11), Err(Refusal::NoMemory { limit: 100 }));
        drop(quiet);
        assert_eq!(third.grow(11), Err(Refusal::NoMemory { limit: 100 }), "it is counted once");
        moving.arrived().unwrap();
        tokio::time::advance(QUIET).await;
        assert_eq!(third.grow(11), Err(Refusal::NoMemory { limit: 100 }), "what waits stays");
        moving.shrink(1);
        third.grow(11).unwrap();
        drop((moving, third));
        memory.share().grow(100).unwrap();
    }
}
