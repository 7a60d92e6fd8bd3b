//! What is asked of the file system. All of it blocks: it is called on a thread for that.

use std::{
    fs::{self, Metadata},
    io,
    sync::Arc,
};

use super::position::{HEAD, Kept, Mark};
use crate::{error::FileError, frame::is_utf16};

/// The least that is read at once: what a file that is written to grows by between two looks.
const LEAST: u64 = 4096;

/// Where to begin in a file.
#[derive(Clone, Debug)]
pub(super) enum Begin {
    /// At its first byte.
    First,
    /// At its end.
    Latest,
    /// Behind the row that begins there.
    Behind(u64),
    /// Where it was left, if it is the same file.
    Kept(Kept),
}

/// A file that was just opened.
pub(super) struct Opened {
    pub(super) file: Arc<fs::File>,
    pub(super) identity: Identity,
    /// Where to begin.
    pub(super) offset: u64,
    pub(super) skips_row: bool,
    /// Its first bytes, at most [`HEAD`].
    pub(super) head: Vec<u8>,
    /// As many of them as a header may have, if that was asked for.
    pub(super) front: Vec<u8>,
    /// Why it does not begin where it was left.
    pub(super) warning: Option<String>,
}

/// What tells files apart that are there at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    pub(super) inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The time when it was made is the next best.
    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let since = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).ok();
        let made = metadata.created().ok().and_then(since).unwrap_or_default();
        Self { device: 0, inode: u64::try_from(made.as_nanos()).unwrap_or_default() }
    }
}

/// Opens the file at `path`. `limit` is that of a line, which a header has too.
pub(super) fn open(
    path: &Arc<str>,
    begin: &Begin,
    limit: usize,
    has_header: bool,
) -> Result<Opened, FileError> {
    let failed = |cause| FileError::io(path, cause);
    // Before it is opened: opening a pipe waits for who writes to it.
    let metadata = fs::metadata(&**path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(FileError::directory(path));
    }
    if !metadata.is_file() {
        return Err(FileError::special(path));
    }
    let file = fs::File::open(&**path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let head = read_up_to(&file, 0, HEAD).map_err(failed)?;
    if is_utf16(&head) {
        return Err(FileError::utf16(path));
    }
    let identity = Identity::of(&metadata);
    let mut opened = Opened {
        file: Arc::new(file),
        identity,
        offset: 0,
        skips_row: false,
        head,
        front: Vec::new(),
        warning: None,
    };
    opened.seek(begin, metadata.len(), limit).map_err(failed)?;
    if has_header && opened.offset > 0 {
        opened.front = read_up_to(&opened.file, 0, limit.saturating_add(HEAD)).map_err(failed)?;
    }
    Ok(opened)
}

impl Opened {
    fn seek(&mut self, begin: &Begin, len: u64, limit: usize) -> io::Result<()> {
        match begin {
            Begin::First => {}
            Begin::Latest => self.offset = last_line(&self.file, len, limit)?,
            Begin::Behind(offset) if *offset < len => {
                (self.offset, self.skips_row) = (*offset, true);
            }
            Begin::Behind(offset) => {
                self.warning = Some(format!(
                    "`start` is {offset}, and the file has {len} bytes; it is read from its start"
                ));
            }
            Begin::Kept(kept) => match self.is_kept(kept, len) {
                true => self.offset = kept.offset,
                false => {
                    self.warning = Some(format!(
                        "another file stands there than the one that was read up to byte {}; it is read from its \
                         start, and what was not read of the old one is left out",
                        kept.offset
                    ));
                }
            },
        }
        Ok(())
    }

    /// Whether this is the file that the position is of.
    fn is_kept(&self, kept: &Kept, len: u64) -> bool {
        let Some(head) = self.head.get(..kept.mark.length) else { return false };
        kept.offset == 0 || (kept.offset <= len && Mark::of(self.identity.inode, head) == kept.mark)
    }
}

/// A file that is being read, as it is looked at.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) path: Arc<str>,
    pub(super) file: Arc<fs::File>,
    pub(super) identity: Identity,
    pub(super) offset: u64,
    pub(super) head: Arc<[u8]>,
    /// How much to read at most.
    pub(super) room: usize,
    pub(super) follows: bool,
    /// Whether the last look found its end.
    pub(super) was_idle: bool,
}

/// What a look at a file found.
pub(super) enum Seen {
    /// More bytes, and its beginning if that has grown.
    More { chunk: Vec<u8>, head: Option<Vec<u8>> },
    /// Its end.
    End,
    /// Its end, and another file at its path.
    Replaced,
    /// It is shorter than what was read of it, or begins otherwise.
    Rewritten,
}

impl Look {
    /// Looks at the file.
    pub(super) fn look(&self) -> Result<Seen, FileError> {
        self.more().map_err(|cause| FileError::io(&self.path, cause))
    }

    fn more(&self) -> io::Result<Seen> {
        let len = self.file.metadata()?.len();
        if self.follows
            && (len < self.offset || (self.was_idle && len > self.offset && !self.begins_so()?))
        {
            return Ok(Seen::Rewritten);
        }
        let grown = len.saturating_sub(self.offset).max(LEAST);
        let room = self.room.min(usize::try_from(grown).unwrap_or(usize::MAX));
        let mut chunk = vec![0; room];
        let read = read_at(&self.file, &mut chunk, self.offset)?;
        chunk.truncate(read);
        if read > 0 {
            let read = self.offset.saturating_add(read as u64);
            let known = HEAD.min(usize::try_from(read).unwrap_or(HEAD));
            let has_grown = known > self.head.len();
            let head = has_grown.then(|| read_up_to(&self.file, 0, known)).transpose()?;
            return Ok(Seen::More { chunk, head });
        }
        if !self.follows {
            return Ok(Seen::End);
        }
        match fs::metadata(&*self.path) {
            Ok(there) if Identity::of(&there) == self.identity => Ok(Seen::End),
            Ok(_) => Ok(Seen::Replaced),
            // Another may come.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen::End),
            Err(error) => Err(error),
        }
    }

    fn begins_so(&self) -> io::Result<bool> {
        Ok(*read_up_to(&self.file, 0, self.head.len())? == *self.head)
    }
}

/// Where the last line begins; the end of the file, if it has one.
fn last_line(file: &fs::File, len: u64, limit: usize) -> io::Result<u64> {
    let mut end = len;
    while end > 0 && len - end <= limit as u64 {
        let start = end.saturating_sub(64 << 10);
        let piece = read_up_to(file, start, usize::try_from(end - start).unwrap_or_default())?;
        if let Some(feed) = memchr::memrchr(b'\n', &piece) {
            return Ok(start + feed as u64 + 1);
        }
        end = start;
    }
    // One line alone begins the file; one that is too long is no row anyway.
    Ok(if end == 0 { 0 } else { len })
}

/// As many bytes as there are, up to `most`.
fn read_up_to(file: &fs::File, mut offset: u64, most: usize) -> io::Result<Vec<u8>> {
    let there = file.metadata()?.len().saturating_sub(offset);
    let mut bytes = vec![0; most.min(usize::try_from(there).unwrap_or(most))];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, offset)? {
            0 => break,
            read => (filled, offset) = (filled + read, offset + read as u64),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Reads without moving a cursor: a read that nobody waits for any longer does no harm.
fn read_at(file: &fs::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, bytes, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset);
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
