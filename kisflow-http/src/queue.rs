//! [`Queue`]: posts that wait for the engine, and become deliveries.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kisflow_core::{Batch, Delivery};
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::{
    kept::KeptPost,
    keys::Claimed,
    memory::Held,
    receipt::{Part, Parts},
    rows::Rows,
    ticket::{Share, Ticket, Waiter},
};

/// Creates a queue for this many posts, and its entrance.
pub(crate) fn queue(posts: usize, batch_rows: usize) -> (Entrance, Queue) {
    let (enter, posts) = mpsc::channel(posts.max(1));
    let rows = Arc::new(AtomicU64::new(0));
    let ids = Ids::new();
    let batch_rows = batch_rows.max(1);
    let queue = Queue { posts, next: None, rows: rows.clone(), batch_rows };
    (Entrance { enter, rows, ids }, queue)
}

/// The entrance of posts.
#[derive(Debug)]
pub(crate) struct Entrance {
    enter: mpsc::Sender<Post>,
    rows: Arc<AtomicU64>,
    ids: Ids,
}

/// A post whose body is complete.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) rows: Rows,
    /// The memory of its body.
    pub(crate) held: Held,
    pub(crate) id: Option<Arc<str>>,
    pub(crate) key: Option<Claimed>,
    /// How far it is done, in the store.
    pub(crate) kept: Option<KeptPost>,
}

/// Why a post is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shut {
    Full,
    Closed,
}

impl Entrance {
    /// Returns whether a post would be accepted now.
    pub(crate) fn look(&self) -> Result<(), Shut> {
        match (self.enter.is_closed(), self.enter.capacity()) {
            (true, _) => Err(Shut::Closed),
            (false, 0) => Err(Shut::Full),
            (false, _) => Ok(()),
        }
    }

    /// Accepts a post, if there is room now. Its id is its idempotency key, if it has one.
    pub(crate) fn push(&self, arrived: Arrived) -> Result<Waiter, Shut> {
        let Arrived { rows, held, id, key, kept } = arrived;
        let id = id.unwrap_or_else(|| self.ids.next().into());
        let first = kept.map_or(0, |kept| kept.rows);
        let open = rows.len().saturating_sub(first);
        let (ticket, share, waiter) = Ticket::new(rows.len(), open, key, &self.rows);
        let post = Post { id, rows, held: Arc::new(held), first, ticket, share, kept };
        match self.enter.try_send(post) {
            Ok(()) => Ok(waiter),
            Err(TrySendError::Full(_)) => Err(Shut::Full),
            Err(TrySendError::Closed(_)) => Err(Shut::Closed),
        }
    }
}

/// A waiting post. If it is dropped, its client learns that its rows are not done.
#[derive(Debug)]
struct Post {
    id: Arc<str>,
    rows: Rows,
    held: Arc<Held>,
    /// The first row that is not handed out yet.
    first: usize,
    ticket: Arc<Ticket>,
    /// The rows that are not handed out yet.
    share: Share,
    /// How far it was done when it came, in the store.
    kept: Option<KeptPost>,
}

/// Posts that wait, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Queue {
    posts: mpsc::Receiver<Post>,
    /// The next post, of which nothing or only a part was handed out.
    next: Option<Post>,
    rows: Arc<AtomicU64>,
    batch_rows: usize,
}

impl Queue {
    /// Returns the rows of the next post, as many as a batch holds, and those of waiting posts
    /// behind it that fit as a whole. It does not wait for further posts: while a batch is in
    /// progress, posts for the next one gather by themselves. `None` when no post can come any
    /// more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: rows are taken at the moment when they are handed out.
    pub(crate) async fn deliver(&mut self) -> Option<Delivery> {
        while self.next.is_none() {
            let post = self.posts.recv().await?;
            self.next = post.ticket.begin().then_some(post);
        }
        let mut taken = Taken::default();
        let mut room = self.batch_rows;
        while let Some(mut post) = self.next.take() {
            let left = post.share.rows();
            // A post that fits into a batch stands or falls as one.
            if left > room && left <= self.batch_rows {
                self.next = Some(post);
                break;
            }
            let rows = left.min(room);
            taken.add(&mut post, rows);
            room -= rows;
            if rows < left {
                self.next = Some(post);
            }
            if room == 0 || taken.kept.len() >= Delivery::PARTS {
                break;
            }
            self.next = self.waiting();
        }
        Some(taken.delivery())
    }

    /// The next waiting post.
    fn waiting(&mut self) -> Option<Post> {
        while let Ok(post) = self.posts.try_recv() {
            if post.ticket.begin() {
                return Some(post);
            }
        }
        None
    }

    /// Returns how many rows of waiting clients there are.
    pub(crate) fn rows(&self) -> u64 {
        let begun = self.next.as_ref().map_or(0, |post| post.share.rows() as u64);
        self.rows.load(Ordering::Relaxed) + begun
    }

    /// Accepts no more posts, and answers the waiting ones that their rows are not done.
    pub(crate) fn close(mut self) {
        self.posts.close();
    }
}

/// Rows on their way into a delivery.
#[derive(Default)]
struct Taken {
    rows: Vec<(Rows, Range<usize>)>,
    parts: Vec<Part>,
    /// How far posts are done behind these rows, by their keys.
    kept: Vec<(Arc<str>, Vec<u8>)>,
}

impl Taken {
    fn add(&mut self, post: &mut Post, rows: usize) {
        let first = post.first;
        post.first += rows;
        self.rows.push((post.rows.clone(), first..post.first));
        if let Some(kept) = post.kept {
            self.kept.push((post.id.clone(), kept.behind(post.first)));
        }
        let (id, share) = (post.id.clone(), post.share.split(rows));
        self.parts.push(Part { id, first, share, _held: post.held.clone() });
    }

    fn delivery(self) -> Delivery {
        let batch = match self.rows.as_slice() {
            [(rows, range)] => rows.batch(range.clone()),
            several => {
                Batch::json(several.iter().flat_map(|(rows, range)| rows.slices(range.clone())))
            }
        };
        let delivery = Delivery::new(batch, Parts::new(self.parts));
        self.kept
            .into_iter()
            .fold(delivery, |delivery, (key, position)| delivery.keep(key, position))
    }
}

/// Ids for posts without one: random for each queue, and counted.
#[derive(Debug)]
struct Ids {
    random: [u64; 2],
    count: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        // The keys of std's hash maps are random, so their hashes of nothing are.
        let random = || RandomState::new().build_hasher().finish();
        Self { random: [random(), random()], count: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let [one, other] = self.random;
        format!("{one:016x}{other:016x}-{}", self.count.fetch_add(1, Ordering::Relaxed))
    }
}
