//! [`Lease`]: what only one process does at a time.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::debug;

use super::{Commit, CommitError, CommitId, Durable, Entry, Key};
use crate::{
    backoff::Backoff,
    error::{Result, error_chain},
    millis::since_epoch,
};

/// How long a lease lasts unless it is renewed.
const LENGTH: Duration = Duration::from_secs(15);

/// How often a lease is given back if the store does not answer: it runs out otherwise.
const MOST_RELEASES: u32 = 4;

/// Something that only one process does at a time: the one that has the lease of this key.
///
/// A process that stops for longer than the lease may go on although another has taken it over: what
/// must not happen twice needs a check in its commit as well.
#[derive(Clone)]
pub(crate) struct Lease {
    durable: Arc<dyn Durable>,
    key: Key,
    length: Duration,
}

/// A lease that this process has, and renews until this is dropped.
pub(crate) struct HeldLease {
    state: Arc<Mutex<HeldState>>,
    released: CancellationToken,
    renewing: AbortOnDropHandle<()>,
}

/// How an attempt to take a lease ended.
pub(crate) enum LeaseTaken {
    Held(HeldLease),
    /// Another process has it, for so long at least.
    Elsewhere(Duration),
}

/// The lease of another process, as it was seen.
pub(crate) struct SeenLease {
    version: CommitId,
    since: Instant,
}

struct HeldState {
    /// The entry that this process wrote.
    entry: Entry,
    /// Until when it holds, by the clock of this process.
    until: Instant,
}

#[derive(Serialize, Deserialize)]
struct LeaseValue {
    #[serde(rename = "until_ms", with = "since_epoch")]
    until: SystemTime,
}

impl Lease {
    pub(crate) fn new(durable: Arc<dyn Durable>, key: Key) -> Self {
        Self { durable, key, length: LENGTH }
    }

    /// Sets how long it lasts unless it is renewed.
    pub(crate) fn lasting(mut self, length: Duration) -> Self {
        self.length = length;
        self
    }

    /// Takes the lease, unless another process has it. `seen` is what the last attempt saw: one that
    /// was not renewed for its length has run out, whatever the clock of the store says by now.
    ///
    /// # Errors
    ///
    /// When the store does not answer for as long as the lease would last.
    pub(crate) async fn take(&self, seen: &mut Option<SeenLease>) -> Result<LeaseTaken> {
        let sent = Instant::now();
        let found = self.durable.read(std::slice::from_ref(&self.key)).await?;
        let found = found.into_iter().flatten().next();
        let now = self.durable.now().await?;
        // One that cannot be read is not a lease of this version.
        let held = found.as_ref().filter(|entry| !self.is_left_behind(entry)).and_then(|entry| {
            let value: LeaseValue = serde_json::from_slice(&entry.value).ok()?;
            let left = value.until.duration_since(now).ok().filter(|left| !left.is_zero())?;
            Some((entry.version, left))
        });
        if let Some((version, left)) = held {
            let first = seen.take().filter(|seen| seen.version == version);
            let first = first.unwrap_or_else(|| SeenLease { version, since: Instant::now() });
            let is_over = first.since.elapsed() > self.length;
            *seen = Some(first);
            if !is_over {
                return Ok(LeaseTaken::Elsewhere(left.min(self.length)));
            }
        }
        let (mut commit, entry) = self.commit(found.as_ref(), now);
        let mut backoff = Backoff::default();
        loop {
            match self.durable.commit(&commit).await {
                Ok(()) => return Ok(LeaseTaken::Held(self.held(entry, sent + self.length))),
                Err(CommitError::Conflict(_) | CommitError::Lost) => {
                    return Ok(LeaseTaken::Elsewhere(self.length));
                }
                // The commit may have taken effect, and would keep others away until it runs out.
                Err(CommitError::Outage(_)) if sent.elapsed() < self.length => {
                    sleep(backoff.next()).await;
                    commit = commit.sent_again();
                }
                Err(error) => return Err(error.into_cause()),
            }
        }
    }

    /// Whether the process that wrote the entry has ended.
    fn is_left_behind(&self, entry: &Entry) -> bool {
        self.durable.is_exclusive() && !entry.version.is_of_this_process()
    }

    /// The commit that takes or renews it, and the entry that it writes.
    fn commit(&self, found: Option<&Entry>, now: SystemTime) -> (Commit, Entry) {
        let value = LeaseValue { until: now + self.length };
        // Only a number: it always has a JSON form.
        let value = Bytes::from(serde_json::to_vec(&value).unwrap_or_default());
        let commit = Commit::new().replace(self.key.clone(), found, value.clone());
        let version = commit.id();
        (commit, Entry { value, version })
    }

    fn held(&self, entry: Entry, until: Instant) -> HeldLease {
        let state = Arc::new(Mutex::new(HeldState { entry, until }));
        let released = CancellationToken::new();
        let renewing = renew(self.clone(), state.clone(), released.clone());
        HeldLease { state, released, renewing: AbortOnDropHandle::new(tokio::spawn(renewing)) }
    }
}

impl HeldLease {
    /// Whether no other process can have it.
    pub(crate) fn is_held(&self) -> bool {
        Instant::now() < lock(&self.state).until
    }

    /// Gives it back, so that another process need not wait until it has run out.
    pub(crate) async fn release(self) {
        self.released.cancel();
        // If it failed, the lease runs out.
        self.renewing.await.ok();
    }
}

fn lock(state: &Mutex<HeldState>) -> MutexGuard<'_, HeldState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Renews a lease until it is released or lost.
async fn renew(lease: Lease, state: Arc<Mutex<HeldState>>, released: CancellationToken) {
    // A commit without an answer, and what it writes.
    let mut unanswered: Option<(Commit, Entry)> = None;
    while released.run_until_cancelled(sleep(lease.length / 3)).await.is_some() {
        let sent = Instant::now();
        let renewal = async {
            let (commit, entry) = match unanswered.take() {
                Some((commit, entry)) => (commit.sent_again(), entry),
                None => {
                    let now = lease.durable.now().await.map_err(CommitError::Outage)?;
                    let found = lock(&state).entry.clone();
                    lease.commit(Some(&found), now)
                }
            };
            unanswered = Some((commit.clone(), entry.clone()));
            lease.durable.commit(&commit).await.map(|()| (commit.is_sent_again(), entry))
        };
        match renewal.await {
            Ok((is_old, entry)) => {
                unanswered = None;
                let mut state = lock(&state);
                state.entry = entry;
                // What was sent before has not more than what was known then.
                if !is_old {
                    state.until = sent + lease.length;
                }
            }
            Err(CommitError::Outage(error)) => {
                let error = error_chain(&*error).to_string();
                debug!(key = ?lease.key, error, "a lease could not be renewed");
            }
            // Others have it.
            Err(_) => {
                lock(&state).until = Instant::now();
                return;
            }
        }
    }
    let entry = lock(&state).entry.clone();
    let commit = Commit::new().remove_unchanged(lease.key.clone(), &entry);
    let mut backoff = Backoff::default();
    while let Err(CommitError::Outage(error)) = lease.durable.commit(&commit).await {
        if backoff.attempts() >= MOST_RELEASES {
            let error = error_chain(&*error).to_string();
            debug!(key = ?lease.key, error, "a lease could not be given back: it runs out");
            return;
        }
        sleep(backoff.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::{Faulty, MemoryStore};

    fn lease(store: &Arc<MemoryStore>) -> Lease {
        Lease::new(store.clone(), Key::new("leases").text("a"))
    }

    async fn take(lease: &Lease) -> Option<HeldLease> {
        match lease.take(&mut None).await.unwrap() {
            LeaseTaken::Held(held) => Some(held),
            LeaseTaken::Elsewhere(_) => None,
        }
    }

    #[tokio::test]
    async fn one_process_has_it_until_it_gives_it_back() {
        let lease = lease(&Arc::default());
        let held = take(&lease).await.unwrap();
        assert!(held.is_held());
        assert!(take(&lease).await.is_none());
        held.release().await;
        let next = take(&lease).await.unwrap();
        assert!(next.is_held());
    }

    #[test]
    fn in_a_store_that_only_this_process_has_open_no_other_has_a_lease() {
        let entry = |version| Entry { value: Bytes::new(), version };
        let (own, other) = (entry(CommitId::new()), entry(CommitId::from_bytes([7; 16])));
        let left_behind = |store: Arc<dyn Durable>| {
            let lease = Lease::new(store, Key::new("leases"));
            [lease.is_left_behind(&own), lease.is_left_behind(&other)]
        };
        assert_eq!(left_behind(Arc::new(MemoryStore::default())), [false, true]);
        assert_eq!(left_behind(Arc::new(Faulty::new(9))), [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_not_renewed_runs_out_although_the_clock_of_the_store_went_back() {
        let store = Arc::<MemoryStore>::default();
        let lease = lease(&store);
        let far = since_epoch::of(SystemTime::now()) + 3_600_000;
        let value = format!("{{\"until_ms\":{far}}}");
        store.commit(&Commit::new().put(lease.key.clone(), value)).await.unwrap();
        let mut seen = None;
        for _ in 0..3 {
            assert!(matches!(lease.take(&mut seen).await.unwrap(), LeaseTaken::Elsewhere(_)));
            tokio::time::advance(LENGTH / 3).await;
        }
        tokio::time::advance(LENGTH / 3).await;
        assert!(matches!(lease.take(&mut seen).await.unwrap(), LeaseTaken::Held(_)));
    }

    #[tokio::test]
    async fn one_that_ran_out_is_taken_over_and_its_holder_notices() {
        let store = Arc::<MemoryStore>::default();
        let lease = lease(&store);
        let held = take(&lease).await.unwrap();
        // As if its process had stopped for long: another takes it over.
        let entry = Entry { value: "{\"until_ms\":1}".into(), ..lock(&held.state).entry.clone() };
        let commit = Commit::new().put(lease.key.clone(), entry.value);
        store.commit(&commit).await.unwrap();
        let next = take(&lease).await.unwrap();
        assert!(next.is_held());
        let state = held.state.clone();
        let renewing = renew(lease.clone(), state.clone(), CancellationToken::new());
        tokio::time::pause();
        renewing.await;
        assert!(lock(&state).until <= Instant::now(), "it knows that others have it");
        assert!(next.is_held());
        held.release().await;
        assert!(take(&lease).await.is_none(), "it gave back what was not its own any more");
    }
}
