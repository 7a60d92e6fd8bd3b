//! The calls of the file system. All of them block, and run on threads for that.

use std::{
    fs::{self, Metadata},
    io::{self, BufReader, Read},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use flate2::read::MultiGzDecoder;

use super::position::{HEAD, Position, Print, TAIL};

/// What distinguishes files that exist at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    device: u64,
    pub(super) inode: u64,
}

impl Identity {
    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The time of creation is the next best.
    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let made = metadata.created().map(nanos).unwrap_or_default();
        Self { device: 0, inode: made }
    }
}

/// A time in nanoseconds since 1970.
pub(super) fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The time of a file's last write, in nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> u64 {
    metadata.modified().map(nanos).unwrap_or_default()
}

/// The time since the file was last written or renamed.
pub(super) fn quiet(metadata: &Metadata) -> Duration {
    #[cfg(unix)]
    let changed = {
        use std::os::unix::fs::MetadataExt;
        let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
        let nanos = u64::try_from(metadata.ctime_nsec()).unwrap_or_default();
        seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
    };
    #[cfg(not(unix))]
    let changed = 0;
    let last = changed.max(modified(metadata));
    Duration::from_nanos(nanos(SystemTime::now()).saturating_sub(last))
}

/// How many of its own first bytes a gzip file is known by while it is open.
const PACKED: usize = 512;

/// The first bytes of a gzip file.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// A file's bytes, decompressed if it is gzip by its first bytes.
pub(super) struct Content {
    pub(super) file: fs::File,
    /// What the file is, once it has enough bytes to tell.
    kind: OnceLock<Kind>,
}

enum Kind {
    Plain,
    Gzip(Box<Mutex<Gzip>>),
}

/// A gzip file is read from its start to its end; to read an earlier offset it starts again.
struct Gzip {
    /// The first bytes as they are in the file.
    packed: Print,
    decoder: Option<MultiGzDecoder<BufReader<Cursor>>>,
    offset: u64,
    /// The length of the file when its end was found.
    ended: Option<u64>,
    is_cut_off: bool,
}

/// Reads a file without moving the cursor of its handle.
struct Cursor {
    file: fs::File,
    offset: u64,
}

impl Read for Cursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, bytes, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Content {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::of(fs::File::open(path)?)
    }

    pub(super) fn of(file: fs::File) -> io::Result<Self> {
        let content = Self { file, kind: OnceLock::new() };
        content.learn()?;
        Ok(content)
    }

    /// The same file with a new state.
    pub(super) fn again(&self) -> io::Result<Self> {
        Self::of(self.file.try_clone()?)
    }

    /// Returns what the file is; `None` while its bytes may become either.
    fn learn(&self) -> io::Result<Option<&Kind>> {
        if let Some(kind) = self.kind.get() {
            return Ok(Some(kind));
        }
        let mut first = [0; MAGIC.len()];
        let known = fill(&self.file, &mut first, 0)?;
        let first = first.get(..known).unwrap_or_default();
        if first != MAGIC && MAGIC.starts_with(first) {
            return Ok(None);
        }
        let kind = match first == MAGIC {
            true => Kind::Gzip(Box::new(Mutex::new(Gzip {
                packed: packed_head(&self.file, PACKED)?,
                decoder: None,
                offset: 0,
                ended: None,
                is_cut_off: false,
            }))),
            false => Kind::Plain,
        };
        Ok(Some(self.kind.get_or_init(|| kind)))
    }

    /// The state of its decompression, if it is known to be gzip.
    fn gzip(&self) -> Option<MutexGuard<'_, Gzip>> {
        match self.kind.get()? {
            Kind::Plain => None,
            Kind::Gzip(gzip) => Some(gzip.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    pub(super) fn is_gzip(&self) -> bool {
        matches!(self.kind.get(), Some(Kind::Gzip(_)))
    }

    /// Whether a gzip file still begins as it did when it was recognized; any other file does.
    pub(super) fn is_same_gzip(&self) -> io::Result<bool> {
        let Some(known) = self.gzip().map(|gzip| gzip.packed) else { return Ok(true) };
        Ok(packed_head(&self.file, known.length)? == known)
    }

    /// Returns whether it is gzip without its end.
    pub(super) fn is_cut_off(&self) -> bool {
        self.gzip().is_some_and(|gzip| gzip.is_cut_off)
    }

    /// Reads at most this many bytes from `offset`: fewer only at the end.
    pub(super) fn read(&self, offset: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most];
        let read = match self.learn()? {
            // Nothing is text that may turn out to be compressed.
            None => 0,
            Some(Kind::Plain) => fill(&self.file, &mut bytes, offset)?,
            Some(Kind::Gzip(gzip)) => gzip
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .read(&self.file, &mut bytes, offset)?,
        };
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Returns whether this is the file that was read up to the position, by its content.
    pub(super) fn is_read_up_to(&self, position: &Position) -> io::Result<bool> {
        let Position { offset, print, .. } = position;
        if !print.head.begins(&self.read(0, print.head.length)?) {
            return Ok(false);
        }
        let before =
            self.read(offset.saturating_sub(print.tail.length as u64), print.tail.length)?;
        // Without a tail, the length decides.
        let ends = print.tail.length > 0
            || *offset == 0
            || !self.read(offset.saturating_sub(1), 1)?.is_empty();
        Ok(ends && print.tail.begins(&before))
    }

    /// Reads its first bytes.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        self.read(0, HEAD)
    }

    /// Reads the bytes before an offset, as many as recognize it.
    pub(super) fn tail(&self, offset: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(offset).unwrap_or(TAIL).min(TAIL);
        self.read(offset - length as u64, length)
    }

    /// The number of bytes, as far as it is known without reading them.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl Gzip {
    fn read(&mut self, file: &fs::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = file.metadata()?.len();
        if self.ended == Some(length) && offset >= self.offset {
            return Ok(0);
        }
        if self.decoder.is_none() || offset < self.offset || self.ended.is_some() {
            let cursor = Cursor { file: file.try_clone()?, offset: 0 };
            (self.offset, self.ended, self.is_cut_off) = (0, None, false);
            self.decoder = Some(MultiGzDecoder::new(BufReader::with_capacity(64 << 10, cursor)));
        }
        let mut skipped = vec![0; 64 << 10];
        while self.offset < offset {
            let most = usize::try_from(offset - self.offset).unwrap_or(usize::MAX);
            let most = most.min(skipped.len());
            if self.more(skipped.get_mut(..most).unwrap_or_default(), length)? == 0 {
                return Ok(0);
            }
        }
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.more(rest, length)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    fn more(&mut self, bytes: &mut [u8], length: u64) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        let read = match decoder.read(bytes) {
            // It is still being written.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.is_cut_off = true;
                0
            }
            read => read?,
        };
        self.offset += read as u64;
        if read == 0 {
            (self.decoder, self.ended) = (None, Some(length));
        }
        Ok(read)
    }
}

/// The beginning of the last line; the end of the file if that line is complete.
pub(super) fn last_line(content: &Content, limit: usize) -> io::Result<u64> {
    if content.is_gzip() {
        return end_of_gzip(content);
    }
    let len = content.length()?;
    let mut end = len;
    while end > 0 && len - end <= limit as u64 {
        let start = end.saturating_sub(64 << 10);
        let piece = content.read(start, usize::try_from(end - start).unwrap_or_default())?;
        if let Some(feed) = memchr::memrchr(b'\n', &piece) {
            return Ok(start + feed as u64 + 1);
        }
        end = start;
    }
    // A single line begins the file; one that is too long is not a row anyway.
    Ok(if end == 0 { 0 } else { len })
}

fn end_of_gzip(content: &Content) -> io::Result<u64> {
    let (mut offset, mut line) = (0, 0);
    loop {
        let piece = content.read(offset, 256 << 10)?;
        if piece.is_empty() {
            return Ok(line);
        }
        if let Some(feed) = memchr::memrchr(b'\n', &piece) {
            line = offset + feed as u64 + 1;
        }
        offset += piece.len() as u64;
    }
}

/// Reads until the buffer is full or the file ends, whatever length it reports.
fn fill(file: &fs::File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Reads without moving a cursor: an abandoned read is harmless.
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

/// The print of the first bytes of a gzip file, without decompressing them.
fn packed_head(file: &fs::File, most: usize) -> io::Result<Print> {
    let mut bytes = vec![0; most];
    let read = fill(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Print::of(&bytes))
}

/// A shared handle of a file's bytes.
pub(super) type Shared = Arc<Content>;

/// The print of a file's first bytes.
pub(super) fn head_print(content: &Content) -> io::Result<Print> {
    Ok(Print::of(&content.head()?))
}
