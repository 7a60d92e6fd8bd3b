//! [`Keys`]: the idempotency keys of posts in progress, and of those that got 200.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::kept::{KeptPost, hash, now_ms};

/// The idempotency keys of one path.
///
/// A key is kept while the rows of its post are in progress, and for a while after all of them are
/// done. It is dropped if some of them are not done, so that the post can be repeated.
#[derive(Debug)]
pub(crate) struct Keys {
    window: Duration,
    most: usize,
    /// Whether keys are in the store as well.
    is_kept: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_key: HashMap<Arc<str>, Entry>,
    /// The keys that are done, in the order in which they were; of keys in the store, those as well
    /// whose posts broke off. A key that was used again counts where it was used last.
    done: VecDeque<(Instant, Arc<str>)>,
    /// When each of `done` was used last.
    used: HashMap<Arc<str>, Instant>,
    /// Keys that are to be removed from the store, and when they were used last, in milliseconds
    /// since 1970.
    forgotten: Vec<(Arc<str>, u64)>,
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
        Arc::new(Self { window, most, is_kept: false, state: Mutex::default() })
    }

    /// The same for keys that are in the store as well, with those that are there now.
    pub(crate) fn kept(
        window: Duration,
        most: usize,
        mut posts: Vec<(Arc<str>, KeptPost)>,
    ) -> Arc<Self> {
        posts.sort_by_key(|(_, post)| std::cmp::Reverse(post.age()));
        let now = Instant::now();
        let mut state = State::default();
        for (key, post) in posts {
            // The clock of this process may have begun after that.
            state.remember(now.checked_sub(post.age()).unwrap_or(now), key);
        }
        Arc::new(Self { window, most, is_kept: true, state: Mutex::new(state) })
    }

    /// At most so many of the keys that are to be removed from the store, and when they were used
    /// last, in milliseconds since 1970.
    pub(crate) fn take_forgotten(&self, most: usize) -> Vec<(Arc<str>, u64)> {
        let mut state = self.lock();
        self.forget(&mut state);
        let kept = state.forgotten.len().saturating_sub(most);
        state.forgotten.split_off(kept)
    }

    /// Looks a key up, and takes it if it is new.
    pub(crate) fn claim(self: &Arc<Self>, key: &Arc<str>, body: &[u8]) -> Claim {
        let body = hash(body);
        let mut state = self.lock();
        self.forget(&mut state);
        match state.by_key.get(key) {
            Some(entry) if entry.body != body => Claim::OtherBody,
            Some(Entry { answer: Some(answer), .. }) => Claim::Done(*answer),
            Some(_) => Claim::InFlight,
            None => {
                state.forgotten.retain(|(forgotten, _)| forgotten != key);
                state.by_key.insert(key.clone(), Entry { body, answer: None });
                Claim::New(Claimed { keys: self.clone(), key: key.clone(), done: false })
            }
        }
    }

    /// Drops keys that are too old, and the oldest ones beyond the limit.
    fn forget(&self, state: &mut State) {
        while let Some((at, _)) = state.done.front()
            && (state.used.len() > self.most || at.elapsed() >= self.window)
        {
            let Some((at, key)) = state.done.pop_front() else { break };
            if state.used.get(&key) != Some(&at) {
                continue;
            }
            state.used.remove(&key);
            // One that is in progress again is remembered anew.
            if state.by_key.get(&key).is_some_and(|entry| entry.answer.is_none()) {
                continue;
            }
            state.by_key.remove(&key);
            if self.is_kept {
                let age = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                state.forgotten.push((key, now_ms().saturating_sub(age)));
            }
        }
    }

    /// Takes keys back that could not be removed.
    pub(crate) fn put_back(&self, forgotten: Vec<(Arc<str>, u64)>) {
        self.lock().forgotten.extend(forgotten);
    }

    /// Whether rows of the key are in progress.
    pub(crate) fn is_in_progress(&self, key: &str) -> bool {
        self.lock().by_key.get(key).is_some_and(|entry| entry.answer.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Records that a key was used.
    fn remember(&mut self, at: Instant, key: Arc<str>) {
        self.used.insert(key.clone(), at);
        self.done.push_back((at, key));
        if self.done.len() > 2 * self.used.len() + 64 {
            // Most are of keys that were used again.
            let used = &self.used;
            self.done.retain(|(at, key)| used.get(key) == Some(at));
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
        state.remember(Instant::now(), self.key.clone());
        self.keys.forget(&mut state);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if !self.done {
            let mut state = self.keys.lock();
            state.by_key.remove(&self.key);
            if self.keys.is_kept {
                // Some of its rows may be done.
                state.remember(Instant::now(), self.key.clone());
                self.keys.forget(&mut state);
            }
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

    #[tokio::test(start_paused = true)]
    async fn a_key_in_the_store_is_forgotten_after_its_last_use() {
        let keys = Keys::kept(Duration::from_secs(10), 2, Vec::new());
        // Its post broke off, came again, and is done.
        drop(new(&keys, "a"));
        tokio::time::advance(Duration::from_secs(8)).await;
        new(&keys, "a").done(ANSWER);
        tokio::time::advance(Duration::from_secs(5)).await;
        let forgotten = |keys: &Arc<Keys>| {
            keys.take_forgotten(9).into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(forgotten(&keys), []);
        assert!(matches!(claim(&keys, "a", "1"), Claim::Done(ANSWER)));
        // Many attempts are one key.
        (0..9).for_each(|_| drop(new(&keys, "b")));
        assert_eq!(forgotten(&keys), []);
        drop(new(&keys, "c"));
        assert_eq!(forgotten(&keys), ["a".into()]);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(forgotten(&keys), ["b".into(), "c".into()]);
    }
}
