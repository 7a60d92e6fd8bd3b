//! [`Keys`]: the idempotency keys of posts in progress, and of those that got 200.

use std::{
    collections::{HashMap, VecDeque, hash_map::RandomState},
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The idempotency keys of one path.
///
/// A key is kept while the rows of its post are in progress, and for a while after all of them are
/// done. It is dropped if some of them are not done, so that the post can be repeated.
#[derive(Debug)]
pub(crate) struct Keys {
    window: Duration,
    most: usize,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_key: HashMap<Arc<str>, Entry>,
    /// The keys that are done, in the order in which they were.
    done: VecDeque<(Instant, Arc<str>)>,
}

#[derive(Debug)]
struct Entry {
    body: u64,
    answer: Option<Answered>,
}

/// The answer to a post whose rows are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) rows: usize,
    pub(crate) quarantined: Option<usize>,
}

/// The state of a key.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is new: its rows are to be processed.
    New(Claimed),
    /// Its rows are in progress.
    InFlight,
    /// Its rows are done.
    Done(Answered),
    /// It came with another body before.
    OtherBody,
}

impl Keys {
    /// Remembers at most this many keys, for this long.
    pub(crate) fn new(window: Duration, most: usize) -> Arc<Self> {
        Arc::new(Self { window, most, hasher: RandomState::new(), state: Mutex::default() })
    }

    /// Looks a key up, and takes it if it is new.
    pub(crate) fn claim(self: &Arc<Self>, key: &Arc<str>, body: &[u8]) -> Claim {
        let body = self.hasher.hash_one(body);
        let mut state = self.lock();
        state.forget(self.window, self.most);
        match state.by_key.get(key) {
            Some(entry) if entry.body != body => Claim::OtherBody,
            Some(Entry { answer: Some(answer), .. }) => Claim::Done(*answer),
            Some(_) => Claim::InFlight,
            None => {
                state.by_key.insert(key.clone(), Entry { body, answer: None });
                Claim::New(Claimed { keys: self.clone(), key: key.clone(), done: false })
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops keys that are too old, and the oldest ones beyond the limit.
    fn forget(&mut self, window: Duration, most: usize) {
        while let Some((at, _)) = self.done.front()
            && (self.done.len() > most || at.elapsed() >= window)
        {
            if let Some((_, key)) = self.done.pop_front() {
                self.by_key.remove(&key);
            }
        }
    }
}

/// A key whose rows are in progress. If this is dropped before they are done, the key is dropped.
#[derive(Debug)]
pub(crate) struct Claimed {
    keys: Arc<Keys>,
    key: Arc<str>,
    done: bool,
}

impl Claimed {
    /// Marks all its rows as done.
    pub(crate) fn done(mut self, answer: Answered) {
        self.done = true;
        let mut state = self.keys.lock();
        if let Some(entry) = state.by_key.get_mut(&self.key) {
            entry.answer = Some(answer);
        }
        state.done.push_back((Instant::now(), self.key.clone()));
        state.forget(self.keys.window, self.keys.most);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if !self.done {
            self.keys.lock().by_key.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Answered = Answered { rows: 1, quarantined: Some(0) };

    fn claim(keys: &Arc<Keys>, key: &str, body: &str) -> Claim {
        keys.claim(&key.into(), body.as_bytes())
    }

    fn new(keys: &Arc<Keys>, key: &str) -> Claimed {
        match claim(keys, key, "1") {
            Claim::New(claimed) => claimed,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_known_until_it_is_old_or_there_are_too_many() {
        let keys = Keys::new(Duration::from_secs(10), 2);
        let a = new(&keys, "a");
        assert!(matches!(claim(&keys, "a", "1"), Claim::InFlight));
        assert!(matches!(claim(&keys, "a", "2"), Claim::OtherBody));
        drop(a);
        new(&keys, "a").done(ANSWER);
        assert!(matches!(claim(&keys, "a", "1"), Claim::Done(ANSWER)));
        assert!(matches!(claim(&keys, "a", "2"), Claim::OtherBody));
        tokio::time::advance(Duration::from_secs(10)).await;
        new(&keys, "a").done(ANSWER);
        new(&keys, "b").done(ANSWER);
        new(&keys, "c").done(ANSWER);
        assert!(matches!(claim(&keys, "b", "1"), Claim::Done(_)));
        assert!(matches!(claim(&keys, "c", "1"), Claim::Done(_)));
        drop(new(&keys, "a"));
        assert_eq!(keys.lock().by_key.len(), 2);
    }
}
