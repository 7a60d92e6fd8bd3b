//! [`Part`]: the rows of one path, through growth, rotation and truncation.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinHandle};
use tracing::{info, warn};

use super::{
    ask::{Answer, Question},
    chain::Chain,
    open::{Begin, Entered},
    position::{HEAD, Position, Print},
    recent::Recent,
    step::{Left, Step},
    tracked::Standing,
};
use crate::{
    error::FileError,
    frame::{Cut, Framer, When},
};

/// How a path is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether to wait for more at the end.
    pub(super) follows: bool,
    pub(super) poll: Duration,
    /// How long a rotated file has to be quiet before the next is read.
    pub(super) rotate_wait: Duration,
    /// The most rows of a batch.
    pub(super) rows: usize,
    /// How long a batch waits to be full.
    pub(super) wait: Duration,
    /// Whether to wait for a missing file.
    pub(super) returns: bool,
}

/// The rows of one path.
pub(super) struct Part {
    pub(super) path: Arc<str>,
    pub(super) chain: Arc<Chain>,
    manner: Manner,
    framer: Framer,
    /// Where to begin, until something is open.
    pub(super) begin: Option<Begin>,
    /// The file that is being read.
    entered: Option<u64>,
    /// Which of the files it is that were at the path, and the id of that file.
    generation: (u64, Option<u64>),
    head: Vec<u8>,
    recent: Recent,
    /// Whether to skip the first row, which `start` names as done.
    skips_row: bool,
    /// When a batch that is not full is handed out.
    due: Option<Instant>,
    /// The work of a thread. It stays here if `step` is dropped, so that no work is lost or done
    /// twice.
    asked: Option<(u64, JoinHandle<Result<Answer, FileError>>)>,
    /// The version of the chain in which nothing more was found.
    idle: Option<u64>,
    /// When to look again, even without a change.
    again: Option<Instant>,
    /// Whether the file at hand cannot be used.
    is_broken: bool,
    /// Whether the log says that the file is waited for.
    told: bool,
    /// Whether there was nothing to open, and nothing to wait for.
    is_gone: bool,
}

impl Part {
    pub(super) fn new(
        path: Arc<str>,
        chain: Arc<Chain>,
        manner: Manner,
        framer: Framer,
        begin: Begin,
    ) -> Self {
        let generation = match &begin {
            Begin::Kept(position) | Begin::Moved(position) => position.generation,
            _ => 0,
        };
        Self {
            generation: (generation, None),
            path,
            chain,
            manner,
            framer,
            begin: Some(begin),
            entered: None,
            head: Vec::new(),
            recent: Recent::default(),
            skips_row: false,
            due: None,
            asked: None,
            idle: None,
            again: None,
            is_broken: false,
            told: false,
            is_gone: false,
        }
    }

    /// Returns whether `step` may have something to do; if not, when it will at the latest.
    pub(super) fn is_ready(&self, now: Instant) -> Result<(), Option<Instant>> {
        let waits = self.asked.is_none()
            && self.idle == Some(self.chain.version())
            && !self.framer.is_finished()
            && !self.is_gone
            && self.again.is_none_or(|again| now < again);
        let due = self.due.filter(|_| !self.framer.is_empty());
        if !waits || due.is_some_and(|due| due <= now) {
            return Ok(());
        }
        Err([self.again, due].into_iter().flatten().min())
    }

    /// Returns a batch, if it is full or has waited long enough.
    pub(super) fn cut(&mut self) -> Result<Option<Cut>, FileError> {
        let is_due = self.due.is_some_and(|due| due <= Instant::now());
        let when = if is_due { When::Any } else { When::Full };
        let cut = self.cut_when(when);
        self.recent.forget_before(self.framer.offset());
        match cut {
            Ok(Some(cut)) => {
                self.due = None;
                self.start_waiting();
                Ok(Some(cut))
            }
            Ok(None) => {
                if is_due {
                    self.due = self.framer.held_up().map(|again| Instant::now() + again);
                }
                Ok(None)
            }
            // An unusable file may be replaced by a usable one.
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    fn cut_when(&mut self, when: When) -> Result<Option<Cut>, FileError> {
        if self.skips_row {
            if self.framer.cut(1, When::Any)?.is_none() {
                return Ok(None);
            }
            self.skips_row = false;
        }
        self.framer.cut(self.manner.rows, when)
    }

    fn start_waiting(&mut self) {
        if !self.framer.is_empty() {
            self.due.get_or_insert_with(|| Instant::now() + self.manner.wait);
        }
    }

    /// Takes the number of skipped NUL bytes.
    pub(super) fn take_skipped(&mut self) -> u64 {
        self.framer.take_skipped()
    }

    /// Returns the position behind the last batch.
    pub(super) fn position(&mut self, offset: u64) -> Position {
        let file = self.front().unwrap_or_default();
        let mut print = file.print;
        print.tail = self.recent.print(offset);
        Position { offset, print, ..file }
    }

    /// Returns the position of the file that is read, with its generation: the one that was kept, or
    /// the next. After a restart the same file has the same one.
    fn front(&mut self) -> Option<Position> {
        let (file, _) = self.chain.front()?;
        let (last, of) = self.generation;
        if of != Some(file.id) {
            let next =
                if file.position.generation > 0 { file.position.generation } else { last + 1 };
            self.generation = (next, Some(file.id));
        }
        Some(Position { generation: self.generation.0, ..file.position })
    }

    /// Returns how many bytes wait behind the rows that were handed out.
    pub(super) fn waiting(&self) -> u64 {
        self.chain.waiting(self.framer.offset())
    }

    /// Returns the known length of the file that is being read, if one is open.
    pub(super) fn length(&self) -> Option<u64> {
        let (file, _) = self.chain.front()?;
        Some(if file.content.is_gzip() { u64::MAX } else { file.position.length })
    }

    /// Returns whether nothing is open yet.
    pub(super) fn begins(&self) -> bool {
        self.begin.is_some()
    }

    /// Returns where reading begins, before anything was read.
    pub(super) fn begins_at(&mut self) -> Position {
        if let Some(position) = self.front() {
            return position;
        }
        let awaited = Position::awaited();
        self.begin = Some(Begin::Kept(awaited.clone()));
        awaited
    }

    /// Returns whether nothing more was seen for a while.
    pub(super) fn is_done(&self) -> bool {
        self.idle == Some(self.chain.version())
            && self.framer.is_empty()
            && self.chain.front().is_none_or(|(file, is_followed)| {
                !is_followed && file.since.elapsed() >= self.manner.rotate_wait
            })
    }

    /// Takes the next step. Cancel safe.
    pub(super) async fn step(&mut self, reads: &Arc<Semaphore>) -> Result<Step, FileError> {
        if let Some(missed) = self.chain.take_missed() {
            return Ok(Step::Missed(Box::new(missed)));
        }
        if self.is_gone {
            return Ok(Step::Ended);
        }
        if self.framer.is_finished() {
            return Ok(self.leave());
        }
        if self.asked.is_none() {
            let Ok(permit) = reads.clone().acquire_owned().await else { return Ok(Step::Idle) };
            let version = self.chain.version();
            let question = self.question();
            let task = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                question.ask()
            });
            self.asked = Some((version, task));
        }
        let Some((version, asked)) = &mut self.asked else { return Ok(Step::Idle) };
        let (version, answer) = (*version, asked.await);
        (self.asked, self.again) = (None, None);
        let answer = answer.map_err(|error| FileError::io(&self.path, io::Error::other(error)))?;
        match answer {
            Ok(answer) => self.take(version, answer),
            Err(error) if error.is_missing() && self.manner.follows => {
                if !std::mem::replace(&mut self.told, true) {
                    info!(path = %self.path, "the file is not there; it is waited for");
                }
                self.idle = Some(version);
                Ok(Step::Idle)
            }
            // The pattern listed it a moment ago.
            Err(error) if error.is_missing() && !self.manner.returns => Ok(Step::Ended),
            Err(error) => {
                if error.is_content() {
                    self.give_up();
                }
                Err(error)
            }
        }
    }

    fn question(&self) -> Question {
        Question {
            path: self.path.clone(),
            chain: self.chain.clone(),
            manner: self.manner,
            begin: self.begin.clone(),
            entered: self.entered,
            is_broken: self.is_broken,
            limit: self.framer.limit(),
            needs_front: self.framer.needs_front(),
            room: self.framer.room(),
        }
    }

    fn take(&mut self, version: u64, answer: Answer) -> Result<Step, FileError> {
        match answer {
            Answer::Opened(opened) => {
                (self.begin, self.told, self.skips_row) = (None, false, opened.skips_row);
                self.is_gone = self.chain.front().is_none();
                Ok(Step::Opened(opened))
            }
            Answer::Entered(entered) => self.enter(*entered).map(|()| Step::On),
            Answer::More(id, chunk, known) => {
                self.more(id, chunk.get(known..).unwrap_or_default());
                Ok(Step::On)
            }
            Answer::Again => Ok(Step::On),
            Answer::End => Ok(self.end(version)),
        }
    }

    /// Goes on with a file that was just opened.
    fn enter(&mut self, entered: Entered) -> Result<(), FileError> {
        let Entered { file, head, tail, front } = entered;
        let mut offset = file.position.offset;
        if offset == 0 {
            self.framer.restart();
            // The first line is then the header, not a row.
            self.skips_row &= !self.framer.has_header();
        } else if !self.framer.restart_at(offset, &front).inspect_err(|_| self.is_broken = true)? {
            self.framer.restart();
            (offset, self.skips_row) = (0, false);
        }
        (self.entered, self.is_broken) = (Some(file.id), false);
        self.recent = Recent::new(offset, if offset == 0 { &[] } else { &tail });
        self.head = head;
        self.known(file.id, offset);
        Ok(())
    }

    fn more(&mut self, id: u64, chunk: &[u8]) {
        let known = self.head.len();
        let fresh = (known as u64).checked_sub(self.recent.end());
        if let Some(fresh) = fresh.and_then(|from| chunk.get(usize::try_from(from).ok()?..)) {
            let missing = HEAD.saturating_sub(known);
            self.head.extend_from_slice(fresh.get(..missing).unwrap_or(fresh));
        }
        self.framer.push(chunk);
        self.recent.push(chunk);
        self.start_waiting();
        self.known(id, self.recent.end());
    }

    /// Updates how far the file is read.
    fn known(&self, id: u64, offset: u64) {
        let (head, tail) = (Print::of(&self.head), self.recent.print(offset));
        self.chain.read(id, |position| {
            position.offset = offset;
            (position.print.head, position.print.tail) = (head, tail);
        });
    }

    /// The end of the file was found.
    fn end(&mut self, version: u64) -> Step {
        let Some((file, is_followed)) = self.chain.front() else { return Step::On };
        if !is_followed && !self.manner.follows {
            return self.finish();
        }
        if !is_followed {
            self.idle = Some(version);
            return Step::Idle;
        }
        let can_grow = file.standing == Standing::Left && !file.content.is_gzip();
        let wait = self.manner.rotate_wait.saturating_sub(file.since.elapsed());
        if can_grow && self.manner.follows && !wait.is_zero() {
            // Its writer may not know of the rotation yet.
            self.idle = Some(version);
            self.again = Some(Instant::now() + wait.min(self.manner.poll));
            return Step::Idle;
        }
        self.finish()
    }

    /// Ends this file.
    fn finish(&mut self) -> Step {
        self.framer.finish();
        self.idle = None;
        Step::On
    }

    /// Leaves the finished file.
    fn leave(&mut self) -> Step {
        let Some((_, true)) = self.chain.front() else { return Step::Ended };
        let generation = self.front().map(|position| position.generation);
        let Some(mut file) = self.chain.pop() else { return Step::Ended };
        file.position.generation = generation.unwrap_or_default();
        self.forget();
        let next = self.front();
        let lost = if self.is_broken { 0 } else { file.position.unread() };
        self.is_broken = false;
        Step::Over(Box::new(Left { file, next, lost }))
    }

    fn forget(&mut self) {
        self.framer.restart();
        (self.entered, self.idle, self.due, self.head) = (None, None, None, Vec::new());
    }

    /// Gives up an unusable file; the one that replaces it will be read.
    fn give_up(&mut self) {
        self.forget();
        self.is_broken = true;
        if let Some((_, true)) = self.chain.front() {
            self.chain.pop();
            self.is_broken = false;
        }
        warn!(path = %self.path, "the file cannot be used; another that takes its place will be");
    }
}
