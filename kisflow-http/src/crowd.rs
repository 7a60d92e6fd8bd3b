//! [`Crowd`]: the connections of a listener, and which of them gives way when there are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kisflow_core::CancellationToken;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

/// A connection without a request in progress for this long gives way to another.
const QUIET: Duration = Duration::from_secs(1);

/// How often to check whether one may give way.
const LOOK: Duration = Duration::from_millis(100);

/// The connections of a listener.
#[derive(Debug)]
pub(crate) struct Crowd {
    limit: usize,
    members: Mutex<Members>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    by_number: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    /// Since when it has no request in progress; its headers or its body may be arriving.
    quiet_since: Option<Instant>,
    give_way: CancellationToken,
}

impl Crowd {
    /// At most this many connections.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, members: Mutex::default(), left: Notify::new() })
    }

    /// Waits for a place. If there is none, the connection that has been quiet the longest is
    /// closed; requests in progress stay.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a place is taken at the moment when it is given.
    pub(crate) async fn join(self: &Arc<Self>) -> Arc<Place> {
        loop {
            let left = self.left.notified();
            if let Some(place) = self.try_join() {
                return place;
            }
            tokio::select! {
                () = left => {}
                () = sleep(LOOK) => {}
            }
        }
    }

    fn try_join(self: &Arc<Self>) -> Option<Arc<Place>> {
        let now = Instant::now();
        let mut members = self.lock();
        if members.by_number.len() >= self.limit {
            let quiet = members.by_number.values().filter(|member| {
                let quiet = member.quiet_since.map(|since| now.saturating_duration_since(since));
                quiet.is_some_and(|quiet| quiet >= QUIET)
            });
            if let Some(quietest) = quiet.min_by_key(|member| member.quiet_since) {
                quietest.give_way.cancel();
            }
            return None;
        }
        let number = members.next;
        members.next += 1;
        let give_way = CancellationToken::new();
        let member = Member { quiet_since: Some(now), give_way: give_way.clone() };
        members.by_number.insert(number, member);
        Some(Arc::new(Place { crowd: self.clone(), number, give_way }))
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection; dropped, it is another's.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    give_way: CancellationToken,
}

impl Place {
    /// Waits until the connection is to be closed for another.
    pub(crate) async fn gives_way(&self) {
        self.give_way.cancelled().await;
    }

    /// Marks a request as in progress until the returned value is dropped: the connection stays.
    pub(crate) fn work(self: &Arc<Self>) -> Working {
        self.quiet_since(None);
        Working(self.clone())
    }

    fn quiet_since(&self, since: Option<Instant>) {
        if let Some(member) = self.crowd.lock().by_number.get_mut(&self.number) {
            member.quiet_since = since;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.lock().by_number.remove(&self.number);
        self.crowd.left.notify_one();
    }
}

/// A request in progress of a connection, until this is dropped.
#[derive(Debug)]
pub(crate) struct Working(Arc<Place>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.quiet_since(Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_quietest_connection_gives_way_and_one_that_works_stays() {
        let crowd = Crowd::new(2);
        let working = crowd.join().await;
        let work = working.work();
        let quiet = crowd.join().await;
        assert!(timeout(QUIET / 2, crowd.join()).await.is_err(), "it may be on its way");
        let closed = async {
            quiet.gives_way().await;
            drop(quiet);
        };
        let (third, ()) = tokio::join!(crowd.join(), closed);
        assert!(!working.give_way.is_cancelled());
        // From the end of its work on, it is quiet as any other.
        drop(work);
        let other = third.work();
        advance(QUIET).await;
        let closed = async {
            working.gives_way().await;
            drop(working);
        };
        let (fourth, ()) = tokio::join!(crowd.join(), closed);
        drop((other, fourth));
    }
}
