//! [`Gate`]: takes what is posted to one path, and answers when its rows are done.

use std::time::Duration;

use axum::{body::Body, http::request, response::Response};
use bytes::Bytes;
use kisflow_core::CancellationToken;
use serde::Serialize;
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{sleep, timeout},
};

use crate::{
    body,
    head::Head,
    queue::{Entrance, Shut},
    refusal::{Refusal, json},
    rows::Rows,
    ticket::{Verdict, Waiter},
};

/// How many bodies arrive at once, beside the posts that wait: each is held in memory.
const ARRIVING: usize = 64;

/// Bodies from this size on are unpacked and checked beside the runtime's own threads.
const LARGE: usize = 64 << 10;

/// One path of a listener, and the flow behind it.
pub(crate) struct Gate {
    pub(crate) flow: String,
    pub(crate) path: String,
    max_body_bytes: usize,
    limit: Duration,
    token: Option<String>,
    draining: CancellationToken,
    entrance: Entrance,
    arriving: Semaphore,
}

/// How a gate treats its posts.
pub(crate) struct Rules {
    pub(crate) max_body_bytes: usize,
    pub(crate) limit: Duration,
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
    ) -> Self {
        let Rules { max_body_bytes, limit, token } = rules;
        let arriving = Semaphore::new(ARRIVING);
        Self { flow, path, max_body_bytes, limit, token, draining, entrance, arriving }
    }

    /// Takes a post, and answers when its rows are done.
    ///
    /// # Cancel safety
    ///
    /// Dropped when the client is gone: rows that are worked on go on.
    pub(crate) async fn take(
        &self,
        parts: &request::Parts,
        body: &mut Body,
    ) -> Result<Response, Refusal> {
        let head = Head::read(&parts.method, &parts.headers, self.token.as_deref())?;
        self.is_open()?;
        let (key, rows) = self.arrive(head, body).await?;
        let count = rows.len();
        if count == 0 {
            return Ok(json(&Done { rows: 0, quarantined: Some(0) }));
        }
        let waiter = self.entrance.push(key, rows).map_err(|shut| self.shut(shut))?;
        let quarantined = self.wait(waiter).await?;
        Ok(json(&Done { rows: count, quarantined }))
    }

    /// Whether a post would be taken now: a body that would be refused is better not sent.
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
        match shut {
            Shut::Full => Refusal::Full,
            Shut::Closed => Refusal::Closing { flow: self.flow.clone() },
        }
    }

    async fn arrive(&self, head: Head, body: &mut Body) -> Result<(Option<String>, Rows), Refusal> {
        let _place = self.arriving.try_acquire().map_err(|_| Refusal::Full)?;
        let limit = self.max_body_bytes;
        let bytes = timeout(self.limit, body::read(body, limit))
            .await
            .map_err(|_| Refusal::Slow { limit: self.limit })??;
        let Head { format, gzip, key } = head;
        let read = move |bytes: Bytes| {
            let bytes = if gzip { body::gunzip(&bytes, limit)? } else { bytes };
            Rows::read(bytes, format)
        };
        let rows = match gzip || bytes.len() >= LARGE {
            false => read(bytes)?,
            // It has no panic of its own; the runtime may be going down.
            true => spawn_blocking(move || read(bytes)).await.map_err(|_| Refusal::Undone)??,
        };
        Ok((key, rows))
    }

    /// Waits until the rows are done, and tells how many are in quarantine.
    async fn wait(&self, mut waiter: Waiter) -> Result<Option<usize>, Refusal> {
        let late = sleep(self.limit);
        tokio::pin!(late);
        tokio::select! {
            biased;
            verdict = waiter.verdict() => return self.told(verdict),
            () = &mut late => return Err(self.late(&waiter)),
            () = self.draining.cancelled() => {}
        }
        // What nobody works on yet is not begun any more.
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
        let limit = self.limit;
        match waiter.give_up() {
            true => Refusal::Busy { limit },
            false => Refusal::Late { limit },
        }
    }
}
