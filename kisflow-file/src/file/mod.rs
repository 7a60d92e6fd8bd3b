//! [`File`]: the rows of a file, from where they were done.

mod commits;
mod disk;
mod position;
mod reset;
mod tail;

use std::{fmt, sync::Arc, time::Duration};

use kisflow_core::{Delivery, Result, Source, SourceConf, SourceContext, Start, async_trait};
use tokio::time::Instant;
use tracing::warn;

pub use self::reset::{ResetTo, reset_position};
use self::{
    commits::{Commits, FileReceipt},
    disk::Begin,
    position::Kept,
    tail::{Step, Tail},
};
use crate::{
    error::FileError,
    frame::{Cut, Framer, When},
    params::{FileParams, Problems},
};

/// The longest path: positions are kept under it.
const PATH_BYTES: usize = 700;

/// The rows of a file: `type: file`, with the path as `key`; see [`FileParams`].
///
/// Without `follow` the file is read to its end, and the source ends. With `follow: true` it waits
/// for more:
///
/// - A file that is not there is waited for.
/// - A last line without its line end is handed out when that has come, or when the file is over.
/// - **Rotation**: when another file has taken the path, the old one is read to its end, and until
///   nothing came for one `poll_ms`; then the new one from its start. A file that was removed is
///   read on until another takes its place.
/// - **Truncation**: a file that is shorter than what was read of it, or that begins otherwise when
///   it grows again, is read from its start, with a warning.
///
/// # What is promised
///
/// Each row is handed out at least once. The position is durable when a row's receipt is done and
/// all rows before it are; rows behind it come again after a restart. It is kept with the file's
/// inode and a hash of its first bytes: if another file stands there when the source is opened, it
/// is read from its start, with a warning, and what was not read of the old one is left where it
/// went. (Off Unix the time when the file was made stands for the inode.) Rows that are given back
/// come again when the source is opened again.
///
/// The position of a row is `path:offset`, where its line begins. `start: path:offset`, or the
/// offset alone, begins behind the row that begins there; `start: latest` at the end, or at the last
/// line if that is not complete.
///
/// Memory is bounded: by some batches, each of at most `batch.rows` rows or about 1 MiB, and by
/// `max_line_bytes`.
pub struct File {
    tail: Tail,
    framer: Framer,
    /// The most rows of a batch.
    rows: usize,
    /// How long a batch waits to be full.
    wait: Duration,
    /// When a batch that is not full is handed out.
    due: Option<Instant>,
    /// A row that was done elsewhere, as `start` says, comes first.
    skips_row: bool,
    commits: Arc<Commits>,
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "File({})", self.tail.path())
    }
}

#[async_trait]
impl Source for File {
    const TYPE: &'static str = "file";
    type Params = FileParams;

    fn check(conf: &SourceConf, params: &FileParams) -> Problems {
        let mut problems = params.framing(&conf.key).err().unwrap_or_default();
        let mut problem = |key: &str, message: String| problems.push((key.to_owned(), message));
        if conf.key.is_empty() {
            problem("key", "expected the path of a file".to_owned());
        }
        if conf.key.len() > PATH_BYTES {
            problem("key", format!("a path of at most {PATH_BYTES} bytes can have a position"));
        }
        if !conf.addrs.is_empty() {
            problem("addrs", "a file has no address; its path is `key`".to_owned());
        }
        if let Start::After(position) = &conf.start
            && row_offset(position, &conf.key).is_none()
        {
            let example = format!("`{}:1024`", conf.key);
            problem(
                "start",
                format!("expected earliest, latest, or a row's position, as {example} or 1024"),
            );
        }
        problems
    }

    /// # Errors
    ///
    /// When there is no such file (unless it is followed), when it may not be read or is no regular
    /// file, when it is in UTF-16, or when the kept position cannot be read: [`FileError`].
    async fn open(conf: &SourceConf, params: FileParams, context: SourceContext) -> Result<Self> {
        let path: Arc<str> = conf.key.as_str().into();
        let problems = Self::check(conf, &params);
        let framing = match params.framing(&path) {
            Ok(framing) if problems.is_empty() => framing,
            _ => return Err(FileError::conf(&path, problems).into()),
        };
        let positions = context.positions();
        let kept = positions.load(&path).await?;
        let begin = begin(&path, kept.as_deref(), &conf.start);
        let framer = Framer::new(path.clone(), framing);
        let follow = params.follow.then(|| Duration::from_millis(params.poll_ms));
        let mut file = Self {
            tail: Tail::new(path.clone(), follow, begin.clone()),
            framer,
            rows: usize::try_from(conf.batch.rows).unwrap_or(usize::MAX).max(1),
            wait: Duration::from_millis(conf.batch.wait_ms),
            due: None,
            skips_row: false,
            commits: Commits::start(path.clone(), positions.clone()),
        };
        if let Step::Opened(opened) = file.tail.step(&file.framer).await? {
            file.begin(opened)?;
        }
        // "The end" is where the group began, also when it starts again before the first row.
        if matches!(begin, Begin::Latest) {
            positions.keep(&path, file.tail.position(file.tail.offset()).encode()).await?;
        }
        Ok(file)
    }

    /// # Errors
    ///
    /// When the file cannot be read, is in UTF-16, or has a CSV header that cannot be used:
    /// [`FileError`]. The next call tries again where it was.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what was read in the meantime is there at the next call.
    async fn next(&mut self) -> Result<Option<Delivery>> {
        self.commits.room().await;
        loop {
            if let Some(cut) = self.cut(When::Full)? {
                return Ok(Some(self.deliver(cut)));
            }
            if self.framer.is_finished() {
                if !self.tail.follows() {
                    return Ok(None);
                }
                self.leave();
            }
            match self.tail.step(&self.framer).await? {
                Step::Opened(opened) => self.begin(opened)?,
                Step::Grew(chunk) => self.framer.push(&chunk),
                Step::Over => self.framer.finish(),
                Step::Idle => {
                    let due = self.due.get_or_insert_with(|| Instant::now() + self.wait);
                    if !self.framer.is_empty() && Instant::now() < *due {
                        self.tail.pause(self.due).await;
                        continue;
                    }
                    if let Some(cut) = self.cut(When::Any)? {
                        return Ok(Some(self.deliver(cut)));
                    }
                    self.due = None;
                    self.tail.pause(None).await;
                }
            }
        }
    }
}

impl File {
    /// Goes on with a file that was just opened.
    fn begin(&mut self, mut opened: disk::Opened) -> Result<(), FileError> {
        let front = std::mem::take(&mut opened.front);
        if opened.offset == 0 {
            self.framer.restart();
            // What begins there is no row then.
            opened.skips_row &= !self.framer.has_header();
        } else if !self.framer.restart_at(opened.offset, &front)? {
            self.framer.restart();
            (opened.offset, opened.skips_row) = (0, false);
        }
        self.skips_row = opened.skips_row;
        if let Some(warning) = &opened.warning {
            warn!(path = %self.tail.path(), "{warning}");
        }
        self.tail.begin(opened);
        Ok(())
    }

    /// Leaves the file that is over, or cannot be used; whatever is at the path is opened next.
    fn leave(&mut self) {
        self.tail.leave();
        self.framer.restart();
    }

    fn cut(&mut self, when: When) -> Result<Option<Cut>, FileError> {
        let mut cut = || {
            if self.skips_row {
                if self.framer.cut(1, When::Any)?.is_none() {
                    return Ok(None);
                }
                self.skips_row = false;
            }
            self.framer.cut(self.rows, when)
        };
        // A text that cannot be used may be replaced by one that can.
        cut().inspect_err(|_: &FileError| self.leave())
    }

    fn deliver(&mut self, cut: Cut) -> Delivery {
        self.due = None;
        let turn = self.commits.begin(self.tail.position(cut.end));
        Delivery::new(cut.batch, FileReceipt::new(cut.places, turn, self.commits.clone()))
    }
}

/// Where to begin in the file that is there first.
fn begin(path: &str, kept: Option<&[u8]>, start: &Start) -> Begin {
    match (kept, start) {
        (Some(kept), _) => match Kept::decode(kept) {
            Some(kept) => Begin::Kept(kept),
            None => {
                warn!(
                    path,
                    "the position that was kept cannot be read; the file is read from its start"
                );
                Begin::First
            }
        },
        (None, Start::Earliest) => Begin::First,
        (None, Start::Latest) => Begin::Latest,
        (None, Start::After(position)) => {
            row_offset(position, path).map_or(Begin::First, Begin::Behind)
        }
    }
}

/// The offset of a row's position: `path:offset` or the offset alone.
fn row_offset(position: &str, path: &str) -> Option<u64> {
    let offset = position.strip_prefix(path).and_then(|rest| rest.strip_prefix(':'));
    offset.unwrap_or(position).parse().ok()
}
