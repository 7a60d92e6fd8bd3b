//! [`Reader`]: all paths of a source, read one after the other while there is something to read.

use std::{
    path::Path,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use kisflow_core::{Delivery, Result, SourceConf, SourceContext, SourceProblem, error_chain};
use tokio::{
    sync::{Notify, Semaphore},
    time::sleep_until,
};
use tracing::warn;

use super::{
    chain::{Chain, Excluded, Missed},
    is_pattern,
    losses::Losses,
    many::Many,
    open::{Begin, Opened},
    part::{Manner, Part},
    pattern::Pattern,
    position::Position,
    receipt::FileReceipt,
    step::{Left, Step},
    watcher::{Watched, Watcher},
};
use crate::{
    error::FileError,
    frame::{Cut, Framer, Framing},
    params::FileParams,
};

/// The pause before an unreadable file of a pattern is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How many files that were left are remembered, for the case that they come back under another name.
const MOST_LEFT: usize = 4096;

/// Where files without a position begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begins {
    First,
    Latest,
    Behind(u64),
}

/// All paths of a source.
pub(super) struct Reader {
    pub(super) key: Arc<str>,
    pub(super) params: FileParams,
    pub(super) manner: Manner,
    pub(super) framing: Framing,
    /// In the order in which they are read.
    pub(super) parts: Vec<Reading>,
    pub(super) many: Option<Many>,
    pub(super) excluded: Excluded,
    pub(super) losses: Losses,
    pub(super) context: SourceContext,
    pub(super) watcher: Arc<Watcher>,
    pub(super) reads: Arc<Semaphore>,
    pub(super) wake: Arc<Notify>,
    /// Which part is read, and up to where before another has its turn.
    pub(super) turn: usize,
    pub(super) until: Option<u64>,
    /// Positions without a row, which are handed out before the next rows, all at once.
    pub(super) progress: Option<Delivery>,
    /// Paths that are not read any more, and whose positions are still there.
    pub(super) over: Vec<Arc<str>>,
    begins: Begins,
}

/// A path, and its pause after a failure.
pub(super) struct Reading {
    pub(super) part: Part,
    /// Whether its beginning is to be kept before anything is read.
    pub(super) is_fresh: bool,
    failed: Option<(Instant, SourceProblem)>,
}

impl Reader {
    pub(super) async fn open(
        conf: &SourceConf,
        params: &FileParams,
        framing: Framing,
        manner: Manner,
        begins: Begins,
        context: SourceContext,
    ) -> Result<Self> {
        let key: Arc<str> = conf.key.as_str().into();
        let watcher = context.shared::<Watcher>();
        let wake = Arc::new(Notify::new());
        let pattern = is_pattern(&key).then(|| Pattern::new(&key)).and_then(Result::ok);
        let excluded: Excluded = match pattern.clone() {
            Some(pattern) => Arc::new(move |path: &Path| pattern.matches(path)),
            None => Arc::new(|_: &Path| false),
        };
        let many = match pattern {
            Some(pattern) => Some(Many::open(&key, pattern, params.order, wake.clone()).await?),
            None => None,
        };
        let losses = Losses::new(context.clone(), &conf.sname, params.acknowledged.clone());
        let mut reader = Self {
            reads: watcher.reads.clone(),
            params: params.clone(),
            parts: Vec::new(),
            turn: 0,
            until: None,
            progress: None,
            over: Vec::new(),
            begins,
            key,
            manner,
            framing,
            many,
            excluded,
            losses,
            context,
            watcher,
            wake,
        };
        match reader.many {
            Some(_) => reader.open_many(begins).await?,
            None => reader.open_one(begins).await?,
        }
        Ok(reader)
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    async fn open_one(&mut self, begins: Begins) -> Result<()> {
        let path = self.key.clone();
        let kept = self.context.positions().load(&path).await?;
        let begin = match kept.as_deref().map(Position::decode) {
            Some(Some(position)) => Begin::Kept(position),
            Some(None) => {
                let warning =
                    "the position that was kept cannot be read; the file is read from its start";
                warn!(%path, "{warning}");
                Begin::First
            }
            None => begins.begin(),
        };
        self.add(path, begin, self.manner)?;
        self.begin(0).await?;
        if kept.is_none() && (self.manner.follows || matches!(begins, Begins::Latest)) {
            self.keep_begin(0);
        }
        Ok(())
    }

    pub(super) fn add(
        &mut self,
        path: Arc<str>,
        begin: Begin,
        manner: Manner,
    ) -> Result<(), FileError> {
        if let Begin::Kept(position) | Begin::Moved(position) = &begin {
            self.losses.restore(&path, &position.losses);
        }
        let chain = Arc::new(Chain::new(&path, self.excluded.clone(), self.wake.clone()));
        let framing = match self.many {
            // Each file may have another ending.
            Some(_) => {
                self.params.framing(&path).map_err(|problems| FileError::conf(&path, problems))?
            }
            None => self.framing.clone(),
        };
        let framer = Framer::new(path.clone(), framing);
        if manner.follows {
            let watched: Arc<dyn Watched> = chain.clone();
            self.watch(Arc::downgrade(&watched))?;
        }
        // A file that is read from its first byte is found there again.
        let is_fresh = self.many.is_some()
            && match begin {
                Begin::Latest | Begin::Moved(_) => true,
                Begin::First | Begin::Behind(_) => matches!(self.begins, Begins::Latest),
                Begin::Kept(_) => false,
            };
        let part = Part::new(path, chain, manner, framer, begin);
        self.parts.push(Reading { part, is_fresh, failed: None });
        Ok(())
    }

    pub(super) fn watch(&self, watched: Weak<dyn Watched>) -> Result<(), FileError> {
        let watch = self.watcher.watch(watched, self.manner.poll);
        watch.map_err(|error| FileError::io(&self.key, error))
    }

    /// Opens the file of a part, so that its errors are reported at once.
    pub(super) async fn begin(&mut self, at: usize) -> Result<(), FileError> {
        while let Some(Reading { part, .. }) = self.parts.get_mut(at).filter(|it| it.part.begins())
        {
            match part.step(&self.reads).await? {
                Step::Idle | Step::Ended => return Ok(()),
                step => self.took(at, step),
            }
        }
        Ok(())
    }

    /// Returns how many bytes wait behind those that were handed out.
    pub(super) fn waiting(&self) -> u64 {
        self.parts.iter().map(|reading| reading.part.waiting()).sum()
    }

    pub(super) async fn next(&mut self) -> Result<Option<Delivery>> {
        loop {
            self.list()?;
            self.keep_beginnings().await;
            if let Some(progress) = self.progress.take() {
                return Ok(Some(progress));
            }
            let at = match self.choose() {
                Ok(Some(at)) => at,
                Ok(None) => return Ok(None),
                Err(until) => {
                    self.rest(until).await;
                    continue;
                }
            };
            match self.read(at).await {
                Ok(None) => {}
                Ok(Some(delivery)) => return Ok(Some(delivery)),
                Err(error) if self.many.is_some() && self.manner.follows => self.failed(at, &error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn rest(&self, until: Option<Instant>) {
        match until {
            None => self.wake.notified().await,
            Some(until) => {
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(until.into()) => {}
                }
            }
        }
    }

    /// Chooses the part to read; `None` when there will never be more. An error is the time to look
    /// again.
    fn choose(&self) -> Result<Option<usize>, Option<Instant>> {
        if !self.manner.follows {
            return Ok((!self.parts.is_empty()).then_some(0));
        }
        let now = Instant::now();
        let mut earliest: Option<Instant> = None;
        let (before, from) = self.parts.split_at(self.turn.min(self.parts.len()));
        let turns = (from.iter().zip(self.turn..)).chain(before.iter().zip(0..));
        for (Reading { part, failed, .. }, at) in turns {
            let failed = failed.as_ref().map(|(until, _)| *until).filter(|until| *until > now);
            let until = match failed {
                Some(until) => Some(until),
                None => match part.is_ready(now) {
                    Ok(()) => return Ok(Some(at)),
                    Err(until) => until,
                },
            };
            earliest = earliest.into_iter().chain(until).min();
        }
        Err(earliest)
    }

    async fn read(&mut self, at: usize) -> Result<Option<Delivery>, FileError> {
        if self.turn != at {
            (self.turn, self.until) = (at, None);
        }
        if self.until.is_none() {
            self.until = self.parts.get(at).and_then(|it| it.part.length());
        }
        let Some(Reading { part, failed, .. }) = self.parts.get_mut(at) else { return Ok(None) };
        let cut = part.cut();
        let skipped = part.take_skipped();
        if skipped > 0 {
            self.context.count_skipped(skipped);
            let path = &part.path;
            warn!(%path, bytes = skipped, "NUL bytes before a line are passed over");
        }
        if let Some(cut) = cut? {
            *failed = None;
            return Ok(Some(self.deliver(at, cut)));
        }
        let step = part.step(&self.reads).await?;
        if matches!(step, Step::On | Step::Idle) {
            *failed = None;
        }
        self.took(at, step);
        Ok(None)
    }

    fn deliver(&mut self, at: usize, cut: Cut) -> Delivery {
        let (path, end) = match self.parts.get_mut(at) {
            Some(Reading { part, .. }) => (part.path.clone(), part.position(cut.end)),
            None => (self.key.clone(), Position::default()),
        };
        if self.until.is_some_and(|until| end.offset >= until) {
            (self.turn, self.until) = (at + 1, None);
        }
        let end = Position { losses: self.losses.of(&path), ..end };
        let generation = end.generation;
        let receipt = FileReceipt { path: path.clone(), generation, places: cut.places };
        Delivery::new(cut.batch, receipt).keep(path, end.encode())
    }

    /// Takes the result of a part's step.
    fn took(&mut self, at: usize, step: Step) {
        let Some(Reading { part, .. }) = self.parts.get(at) else { return };
        let path = part.path.clone();
        match step {
            Step::On | Step::Idle => {}
            Step::Opened(Opened { warning, gone, .. }) => {
                if let Some(warning) = warning {
                    warn!(%path, "{warning}");
                }
                if let Some((bytes, position, what)) = gone {
                    self.losses.add(&path, bytes, &position, &what);
                }
            }
            Step::Missed(missed) => {
                let Missed { position, bytes, what } = *missed;
                self.losses.add(&path, bytes, &position, &what);
            }
            Step::Over(left) => self.left(&path, *left),
            Step::Ended => {
                self.parts.remove(at);
                (self.turn, self.until) = (at, None);
                if self.many.is_some() && self.manner.follows {
                    self.over.push(path);
                }
            }
        }
    }

    /// Leaves a file behind.
    fn left(&mut self, path: &Arc<str>, left: Left) {
        let Left { file, next, lost } = left;
        if lost > 0 {
            let offset = file.position.offset;
            let what = format!(
                "the file was overwritten or removed before it was read to its end: {lost} bytes \
                 behind byte {offset} are lost"
            );
            self.losses.add(path, lost, &file.position, &what);
        }
        if let Some(next) = next {
            let losses = self.losses.of(path);
            self.pass(path.clone(), &Position { losses, ..next });
        }
        if let Some(many) = &mut self.many {
            // Without them a file that comes back is read again.
            if many.left.len() >= MOST_LEFT {
                many.left.clear();
            }
            // What is missing of it has been reported.
            let position = Position { length: file.position.offset, ..file.position };
            many.left.insert(file.identity, position);
            many.again();
        }
    }

    pub(super) fn failed(&mut self, at: usize, error: &FileError) {
        let Some(Reading { part, failed, .. }) = self.parts.get_mut(at) else { return };
        let cause = error_chain(error).to_string();
        if failed.is_none() {
            warn!(path = %part.path, error = cause, "a file of a pattern cannot be read; it is tried again");
        }
        let problem = self.context.problem(cause);
        *failed = Some((Instant::now() + RETRY, problem));
        self.turn = at + 1;
    }
}

impl Begins {
    pub(super) fn begin(self) -> Begin {
        match self {
            Self::First => Begin::First,
            Self::Latest => Begin::Latest,
            Self::Behind(offset) => Begin::Behind(offset),
        }
    }
}
