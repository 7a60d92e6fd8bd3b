//! [`File`]: the rows of files, from the last position on.

mod ask;
mod chain;
mod disk;
mod family;
mod files;
mod look;
mod losses;
mod many;
mod neighbors;
mod open;
mod part;
mod pattern;
mod position;
mod progress;
mod reader;
mod receipt;
mod recent;
mod reset;
mod settled;
mod step;
mod tracked;
mod watcher;

use std::sync::Arc;

use kisflow_core::{
    Delivery, Redelivery, Result, Source, SourceConf, SourceContext, Start, async_trait,
};

use self::{
    part::Manner,
    pattern::Pattern,
    reader::{Begins, Reader},
};
pub use self::{
    pattern::{is_pattern, matching},
    reset::{ResetTo, reset_position},
};
use crate::{
    error::FileError,
    params::{FileParams, Problems},
};

/// The longest path: it is the key of its position.
const PATH_BYTES: usize = 700;

/// The rows of a file, or of all files that a pattern names: `type: file`, with the path as `key`;
/// see [`FileParams`].
///
/// Without `follow` each file is read to its end, and the source ends. With `follow: true` the
/// source waits for more:
///
/// - It waits for a missing file.
/// - A last line without a line end is handed out when its line end comes, or when the file is
///   finished.
/// - **Rotation**: when another file has taken the path, the old one is read to its end, and until
///   it has been quiet for `rotate_wait_ms`; then those that were at the path in between, and the
///   new one, from its start. Reading a removed file continues until another replaces it.
/// - **Truncation**: a file that no longer has what was read of it is read from its start, with a
///   warning. Unread old content is searched for in a copy beside it, as `copytruncate` makes it.
///
/// One thread polls all files that a process follows, even while a flow is full, so that changes of
/// a file are noticed in time.
///
/// # Patterns
///
/// A key with `*`, `?` or `[` names several files, unless a file has exactly that name:
/// `in/orders-*.ndjson`. They are read in the `order` of `params`, each with its own position. With
/// `follow: true` files that arrive later are read too, and a file that is renamed to another name
/// of the pattern continues where it was.
///
/// # Gzip
///
/// A file that is gzip, by its first bytes, is decompressed; offsets are those of the decompressed
/// text.
///
/// # Which file it is
///
/// A file is recognized by its inode, its first 4,096 bytes and the 4,096 bytes before the offset
/// up to which it was read. They are compared at every look and at every start. When another file
/// is at the path, the source searches for its own file beside it: by its inode under any name, by
/// its content (a copy, or gzip) under the names that rotations make, such as `app.log.1`, `app.1`,
/// `app-2026-11-27.log`, `app.log-20261127.gz`. Reading continues there; then come those with such
/// names that were written after it, the oldest first; then the one at the path.
///
/// # What is promised
///
/// Each row is handed out at least once. The position is durable when a row and all rows before it
/// are done; rows behind it are redelivered after a restart. Rows that are given back are
/// redelivered when the source is opened again.
///
/// **Bytes that are gone before they were read are reported**: known bytes that are neither at the
/// path nor beside it are an error in the log, in the metric `kisflow_source_lost_bytes_total`, and
/// in `/readyz`, until the id in the message is in `acknowledged` of `params`. When a file
/// disappears while the process is down, its last writes are unknown, which is reported as well. So
/// is a rotated file that was not read yet and is compressed with `xz`, `zstd`, `bzip2`, `lz4`,
/// `zip` or `compress`, which are not read.
///
/// NUL bytes before a line, which truncation leaves under a writer that does not append, are
/// skipped with a warning, and counted in `kisflow_source_skipped_bytes_total`.
///
/// The position of a row is `path:offset`, with the offset of its line. `start: path:offset`, or
/// the offset alone, begins behind the row at that offset; `start: latest` at the end, or at an
/// incomplete last line.
///
/// Memory is bounded: by some batches, each of at most `batch.rows` rows or about 1 MiB, by
/// `max_line_bytes`, and by some KiB for each file. Each followed file is held open.
pub struct File {
    reader: Reader,
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
        let is_pattern = is_pattern(&conf.key);
        if is_pattern && let Err(message) = Pattern::new(&conf.key) {
            problem("key", message);
        }
        match &conf.start {
            Start::After(_) if is_pattern => problem(
                "start",
                "a pattern names several files: expected earliest or latest".to_owned(),
            ),
            Start::After(position) if row_offset(position, &conf.key).is_none() => {
                let example = format!("`{}:1024`", conf.key);
                problem(
                    "start",
                    format!("expected earliest, latest, or a row's position, as {example} or 1024"),
                );
            }
            _ => {}
        }
        problems
    }

    /// Each row has a position.
    fn redelivery(_: &SourceConf, _: &FileParams) -> Redelivery {
        Redelivery::Positions
    }

    /// # Errors
    ///
    /// When there is no such file (unless it is followed, or named by a pattern), when it may not be
    /// read or is no regular file, when it is in UTF-16, or when the kept position cannot be read:
    /// [`FileError`].
    async fn open(conf: &SourceConf, params: FileParams, context: SourceContext) -> Result<Self> {
        let path: Arc<str> = conf.key.as_str().into();
        let problems = Self::check(conf, &params);
        let framing = match params.framing(&path) {
            Ok(framing) if problems.is_empty() => framing,
            _ => return Err(FileError::conf(&path, problems).into()),
        };
        let begins = match &conf.start {
            Start::Earliest => Begins::First,
            Start::Latest => Begins::Latest,
            Start::After(position) => {
                row_offset(position, &path).map_or(Begins::First, Begins::Behind)
            }
        };
        let manner = Manner {
            follows: params.follow,
            poll: params.poll,
            rotate_wait: params.rotate_wait,
            rows: usize::try_from(conf.batch.rows).unwrap_or(usize::MAX).max(1),
            wait: conf.batch.wait,
            returns: true,
        };
        let reader = Reader::open(conf, &params, framing, manner, begins, context).await?;
        Ok(Self { reader })
    }

    /// # Errors
    ///
    /// When the file cannot be read, is in UTF-16, or has an unusable CSV header: [`FileError`].
    /// The next call tries again where it was. Such a file of a followed pattern does not stop the
    /// others: `/readyz` reports it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the next call returns what was read in the meantime.
    async fn next(&mut self) -> Result<Option<Delivery>> {
        self.reader.next().await
    }

    /// Returns how many bytes of its files were not handed out as rows yet, by their lengths; bytes
    /// of gzip files count when they are read.
    async fn lag_bytes(&mut self) -> Result<Option<u64>> {
        Ok(Some(self.reader.waiting()))
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("File").field("key", &self.reader.key()).finish_non_exhaustive()
    }
}

/// Returns the offset of a row's position: `path:offset` or the offset alone.
fn row_offset(position: &str, path: &str) -> Option<u64> {
    let offset = position.strip_prefix(path).and_then(|rest| rest.strip_prefix(':'));
    offset.unwrap_or(position).parse().ok()
}
