//! [`Gate`]: takes what is posted to one path, and answers when its rows are done.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, request},
    response::Response,
};
use bytes::Bytes;
use kisflow_core::CancellationToken;
use serde::Serialize;
use tokio::{task::spawn_blocking, time::sleep};

use crate::{
    body::{self, Pace},
    crowd::Place,
    head::Head,
    kept::{KeptPosts, hash},
    keys::{Answered, Claim, Keys},
    memory::{Held, Memory},
    queue::{Arrived, Entrance, Shut},
    refusal::{Refusal, json},
    rows::Rows,
    ticket::{Verdict, Waiter},
    unpack::unpack,
};

/// Bodies from this size on are unpacked and checked beside the runtime's own threads.
const LARGE: usize = 64 << 10;

/// What a row costs beside its bytes: where it begins and ends.
const ROW_BYTES: usize = 8;

/// Marks the answer of an earlier post.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// One path of a listener, and the flow behind it.
pub(crate) struct Gate {
    pub(crate) flow: String,
    pub(crate) path: String,
    rules: Rules,
    draining: CancellationToken,
    entrance: Entrance,
    memory: Arc<Memory>,
    keys: Arc<Keys>,
    /// The keys in the store, under `guarantee: exactly_once`.
    kept: Option<KeptPosts>,
}

/// How a gate treats its posts.
pub(crate) struct Rules {
    pub(crate) pace: Pace,
    /// How many posts wait.
    pub(crate) queue: usize,
    /// How long a post waits for its rows to be done.
    pub(crate) limit: Duration,
    pub(crate) memory_bytes: usize,
    pub(crate) token: Option<String>,
}

#[derive(Serialize)]
struct Done {
    rows: usize,
    quarantined: Option<usize>,
}

impl Gate {
    pub(crate) fn new(
        (flow, path): (String, String),
        rules: Rules,
        draining: CancellationToken,
        entrance: Entrance,
        (keys, kept): (Arc<Keys>, Option<KeptPosts>),
    ) -> Self {
        let memory = Memory::new(rules.memory_bytes);
        Self { flow, path, rules, draining, entrance, memory, keys, kept }
    }

    /// Takes a post, and answers when its rows are done.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the connection is gone: processing of its rows continues.
    pub(crate) async fn take(
        &self,
        parts: &request::Parts,
        body: &mut Body,
    ) -> Result<Response, Refusal> {
        let head = Head::read(&parts.method, &parts.headers, self.rules.token.as_deref())?;
        self.is_open()?;
        let id = head.key.clone();
        if self.kept.is_some() && id.is_none() {
            return Err(Refusal::KeyMissing);
        }
        let (rows, held) = self.arrive(head, body).await?;
        // From here on it is not the client that is waited for.
        let _working = parts.extensions.get::<Arc<Place>>().map(Place::work);
        let count = rows.len();
        if count == 0 {
            return Ok(json(&Done { rows: 0, quarantined: Some(0) }));
        }
        let key = match id.as_ref().map(|id| self.keys.claim(id, rows.body())) {
            None => None,
            Some(Claim::New(claimed)) => Some(claimed),
            Some(Claim::Done(answer)) => return Ok(replayed(answer)),
            Some(Claim::InFlight) => return Err(Refusal::KeyInFlight),
            Some(Claim::OtherBody) => return Err(Refusal::KeyOfOther),
        };
        let mut kept = None;
        if let (Some(posts), Some(id)) = (&self.kept, &id) {
            let found = posts.find(id, count, hash(rows.body())).await?;
            if found.is_done() {
                let answer = Answered { rows: count, quarantined: None };
                if let Some(key) = key {
                    key.done(answer);
                }
                return Ok(replayed(answer));
            }
            kept = Some(found);
        }
        let arrived = Arrived { rows, held, id, key, kept };
        let waiter = self.entrance.push(arrived).map_err(|shut| self.shut(shut))?;
        let quarantined = self.wait(waiter).await?;
        Ok(json(&Done { rows: count, quarantined }))
    }

    /// Returns whether a post would be accepted now, so that the client need not send a body in
    /// vain.
    fn is_open(&self) -> Result<(), Refusal> {
        match self.closes() {
            true => Err(self.shut(Shut::Closed)),
            false => self.entrance.look().map_err(|shut| self.shut(shut)),
        }
    }

    fn closes(&self) -> bool {
        self.draining.is_cancelled() || self.entrance.look() == Err(Shut::Closed)
    }

    fn shut(&self, shut: Shut) -> Refusal {
        let flow = self.flow.clone();
        match shut {
            Shut::Full => Refusal::Full { flow, posts: self.rules.queue },
            Shut::Closed => Refusal::Closing { flow },
        }
    }

    /// Reads a body and its rows. An arriving body takes only the room of its bytes.
    async fn arrive(&self, head: Head, body: &mut Body) -> Result<(Rows, Held), Refusal> {
        let mut held = self.memory.share();
        let pace = self.rules.pace;
        let bytes = body::read(body, pace, &mut held).await?;
        let Head { format, encoding, .. } = head;
        let read = move |bytes: Bytes, mut held: Held| {
            let bytes = match encoding {
                Some(encoding) => unpack(&bytes, encoding, pace.bytes, &mut held)?,
                None => bytes,
            };
            let rows = Rows::read(bytes, format, &mut held)?;
            held.grow(rows.len().saturating_mul(ROW_BYTES))?;
            Ok((rows, held))
        };
        match encoding.is_some() || bytes.len() >= LARGE {
            false => read(bytes, held),
            // It has no panic of its own; the runtime may be going down.
            true => spawn_blocking(move || read(bytes, held)).await.map_err(|_| Refusal::Undone)?,
        }
    }

    /// Waits until the rows are done. Returns how many are in quarantine.
    async fn wait(&self, mut waiter: Waiter) -> Result<Option<usize>, Refusal> {
        let late = sleep(self.rules.limit);
        tokio::pin!(late);
        tokio::select! {
            biased;
            verdict = waiter.verdict() => return self.told(verdict),
            () = &mut late => return Err(self.late(&waiter)),
            () = self.draining.cancelled() => {}
        }
        // Posts that are not in progress yet are not started any more.
        if waiter.give_up() {
            return Err(self.shut(Shut::Closed));
        }
        tokio::select! {
            biased;
            verdict = waiter.verdict() => self.told(verdict),
            () = late => Err(self.late(&waiter)),
        }
    }

    fn told(&self, verdict: Verdict) -> Result<Option<usize>, Refusal> {
        match verdict {
            Verdict::Done { quarantined } => Ok(quarantined),
            Verdict::Undone => match self.closes() {
                true => Err(self.shut(Shut::Closed)),
                false => Err(Refusal::Undone),
            },
        }
    }

    fn late(&self, waiter: &Waiter) -> Refusal {
        let limit = self.rules.limit;
        match waiter.give_up() {
            true => Refusal::Busy { limit },
            false => Refusal::Late { limit },
        }
    }
}

/// The answer to a post whose rows are done already.
fn replayed(answer: Answered) -> Response {
    let Answered { rows, quarantined } = answer;
    let mut response = json(&Done { rows, quarantined });
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
