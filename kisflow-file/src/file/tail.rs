//! [`Tail`]: the bytes of a path in order, through growth, rotation and truncation.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use super::{
    disk::{self, Begin, Identity, Look, Opened, Seen},
    position::{Mark, Position},
};
use crate::{error::FileError, frame::Framer};

/// The bytes of a path in order.
pub(super) struct Tail {
    path: Arc<str>,
    /// How often to look, if it is followed.
    follow: Option<Duration>,
    /// Where to begin in the file that is opened next.
    begin: Begin,
    open: Option<Open>,
    /// What a thread is doing. It stays here when nobody waits, so that no work is lost and none is
    /// done twice.
    asked: Option<JoinHandle<Result<Answer, FileError>>>,
    /// When to look again.
    pause: Option<Instant>,
    /// Whether somebody was told that the file is waited for.
    told: bool,
}

/// The file that is being read.
struct Open {
    look: Look,
    mark: Arc<Mark>,
    /// When its end was found, and another file at its path.
    replaced: Option<Instant>,
}

enum Answer {
    Opened(Box<Opened>),
    Seen(Seen),
}

/// What comes next.
pub(super) enum Step {
    /// A file, to be begun with.
    Opened(Opened),
    /// More of it.
    Grew(Vec<u8>),
    /// Nothing for now.
    Idle,
    /// Nothing more of this file.
    Over,
}

impl Tail {
    pub(super) fn new(path: Arc<str>, follow: Option<Duration>, begin: Begin) -> Self {
        Self { path, follow, begin, open: None, asked: None, pause: None, told: false }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn follows(&self) -> bool {
        self.follow.is_some()
    }

    /// How much was read.
    pub(super) fn offset(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.look.offset)
    }

    /// A position in the file that is being read.
    pub(super) fn position(&self, offset: u64) -> Position {
        let mark = self.open.as_ref().map(|open| open.mark.clone());
        Position { offset, mark: mark.unwrap_or_default() }
    }

    /// What comes next. Cancel safe.
    pub(super) async fn step(&mut self, framer: &Framer) -> Result<Step, FileError> {
        let asked = match &mut self.asked {
            Some(asked) => asked,
            None => {
                let question = self.question(framer);
                self.asked.insert(tokio::task::spawn_blocking(question))
            }
        };
        let answer = asked.await;
        self.asked = None;
        match answer.map_err(|error| FileError::io(&self.path, io::Error::other(error)))? {
            Ok(Answer::Opened(opened)) => Ok(Step::Opened(*opened)),
            Ok(Answer::Seen(seen)) => Ok(self.take(seen)),
            Err(error) if error.is_missing() && self.follows() => {
                if !std::mem::replace(&mut self.told, true) {
                    info!(path = %self.path, "the file is not there; it is waited for");
                }
                Ok(Step::Idle)
            }
            Err(error) => Err(error),
        }
    }

    fn question(
        &self,
        framer: &Framer,
    ) -> impl FnOnce() -> Result<Answer, FileError> + Send + use<> {
        let (path, begin) = (self.path.clone(), self.begin.clone());
        let (limit, has_header) = (framer.limit(), framer.has_header());
        let look = self.open.as_ref().map(|open| Look { room: framer.room(), ..open.look.clone() });
        move || match look {
            Some(look) => look.look().map(Answer::Seen),
            None => {
                let opened = disk::open(&path, &begin, limit, has_header)?;
                Ok(Answer::Opened(Box::new(opened)))
            }
        }
    }

    fn take(&mut self, seen: Seen) -> Step {
        let poll = self.follow.unwrap_or_default();
        let Some(open) = &mut self.open else { return Step::Idle };
        open.look.was_idle = !matches!(seen, Seen::More { .. });
        match seen {
            Seen::More { chunk, head } => {
                open.look.offset += chunk.len() as u64;
                if let Some(head) = head {
                    open.mark = Arc::new(Mark::of(open.look.identity.inode, &head));
                    open.look.head = head.into();
                }
                open.replaced = None;
                Step::Grew(chunk)
            }
            Seen::End if self.follow.is_some() => Step::Idle,
            Seen::End => Step::Over,
            // Who writes to it may not know yet.
            Seen::Replaced if open.replaced.get_or_insert_with(Instant::now).elapsed() < poll => {
                Step::Idle
            }
            Seen::Replaced => {
                info!(path = %self.path, "the file was rotated; the new one is read");
                Step::Over
            }
            Seen::Rewritten => {
                let offset = open.look.offset;
                warn!(path = %self.path, offset, "the file was truncated; it is read from its start");
                Step::Over
            }
        }
    }

    /// Goes on with a file that was opened.
    pub(super) fn begin(&mut self, opened: Opened) {
        let Opened { file, identity, offset, head, .. } = opened;
        let Identity { inode, .. } = identity;
        self.open = Some(Open {
            mark: Arc::new(Mark::of(inode, &head)),
            look: Look {
                path: self.path.clone(),
                file,
                identity,
                offset,
                head: head.into(),
                room: 0,
                follows: self.follow.is_some(),
                was_idle: false,
            },
            replaced: None,
        });
        (self.begin, self.told) = (Begin::First, false);
    }

    /// Leaves the file that is being read.
    pub(super) fn leave(&mut self) {
        (self.open, self.asked) = (None, None);
    }

    /// Waits until it is time to look again, or until `due`. Cancel safe: the time does not begin
    /// anew.
    pub(super) async fn pause(&mut self, due: Option<Instant>) {
        let poll = Instant::now() + self.follow.unwrap_or_default();
        let until = *self.pause.get_or_insert(due.map_or(poll, |due| due.min(poll)));
        sleep_until(until).await;
        self.pause = None;
    }
}
