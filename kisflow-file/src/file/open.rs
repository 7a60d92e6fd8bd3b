//! Where reading begins: at the path, or in the file that was read before.

use std::{fs, io, sync::Arc, time::Duration};

use super::{
    chain::{Chain, EVIDENCE},
    disk::{Content, last_line, nanos},
    part::Manner,
    position::Position,
    tracked::Tracked,
};
use crate::{error::FileError, frame::is_utf16};

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
    Kept(Position),
    /// Where a file with its inode was left under another name, if that is the same file; else at
    /// its first byte.
    Moved(Position),
}

/// How far the kernel's time of a write may lag behind its clock, in nanoseconds.
const COARSE: u64 = 50_000_000;

impl Position {
    /// The position of a missing file: everything that is at the path from now on, even for a short
    /// while, is read.
    pub(super) fn awaited() -> Self {
        let now = nanos(std::time::SystemTime::now());
        Self { modified: now.saturating_sub(COARSE), ..Self::default() }
    }
}

/// The result of opening.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) skips_row: bool,
    /// Why it does not begin where it was left.
    pub(super) warning: Option<String>,
    /// The loss: how many bytes, behind which position, and what happened.
    pub(super) gone: Option<(u64, Position, String)>,
}

/// The first file, about to be read.
pub(super) struct Entered {
    pub(super) file: Tracked,
    /// Its first bytes, and those before the offset.
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
    /// As many of its first bytes as a header may have, if that was asked for.
    pub(super) front: Vec<u8>,
}

/// Opens what is to be read, and puts it into the chain.
pub(super) fn open(
    chain: &Chain,
    path: &Arc<str>,
    begin: &Begin,
    limit: usize,
    manner: Manner,
) -> Result<Opened, FileError> {
    let follows = manner.follows;
    let failed = |cause| FileError::io(path, cause);
    let current = match open_current(chain, path) {
        Err(error) if error.is_missing() && (follows || !manner.returns) => None,
        current => Some(current?),
    };
    let mut opened = Opened::default();
    if let Begin::Kept(position) = begin {
        let files = resume(chain, position, current, manner, &mut opened).map_err(failed)?;
        if files.is_empty() && opened.gone.is_none() {
            return Err(FileError::io(path, io::ErrorKind::NotFound.into()));
        }
        chain.begin(files);
        return Ok(opened);
    }
    let Some(mut current) = current else {
        return Err(FileError::io(path, io::ErrorKind::NotFound.into()));
    };
    if let Begin::Moved(position) = begin {
        if position.evidence() > 0 && current.content.is_read_up_to(position).map_err(failed)? {
            chain.begin(vec![current.at(position)]);
            return Ok(opened);
        }
        // The inode was given to another file.
        opened.gone = (position.unread() > 0).then(|| gone(position, follows));
    }
    let length = current.position.length;
    let offset = match begin {
        Begin::Latest => last_line(&current.content, limit).map_err(failed)?,
        Begin::Behind(offset) if *offset < length => {
            opened.skips_row = true;
            *offset
        }
        Begin::Behind(offset) => {
            opened.warning = Some(format!(
                "`start` is {offset}, and the file has {length} bytes; it is read from its start"
            ));
            0
        }
        Begin::First | Begin::Kept(_) | Begin::Moved(_) => 0,
    };
    current.position.offset = offset;
    chain.begin(vec![current]);
    Ok(opened)
}

fn open_current(chain: &Chain, path: &Arc<str>) -> Result<Tracked, FileError> {
    let failed = |cause| FileError::io(path, cause);
    // Check before opening: opening a pipe waits for its writer.
    let metadata = fs::metadata(chain.path()).map_err(failed)?;
    if metadata.is_dir() {
        return Err(FileError::directory(path));
    }
    if !metadata.is_file() {
        return Err(FileError::special(path));
    }
    let content = Content::open(chain.path()).map_err(failed)?;
    if is_utf16(&content.read(0, 2).map_err(failed)?) {
        return Err(FileError::utf16(path));
    }
    let metadata = content.file.metadata().map_err(failed)?;
    Tracked::new(content, &metadata).map_err(failed)
}

/// The file that was read up to the position, where it was left, and those that came after it.
fn resume(
    chain: &Chain,
    position: &Position,
    current: Option<Tracked>,
    manner: Manner,
    opened: &mut Opened,
) -> io::Result<Vec<Tracked>> {
    let follows = manner.follows;
    let is_same = match &current {
        Some(current) => current.content.is_read_up_to(position)?,
        None => false,
    };
    let has_inode = current.as_ref().is_some_and(|it| it.identity.inode == position.print.inode);
    // One that was empty when it was seen last may have been filled, copied and truncated since.
    let is_known = position.offset > 0 || position.evidence() > 0;
    if is_same && has_inode && (is_known || !follows) {
        return Ok(current.into_iter().map(|current| current.at(position)).collect());
    }
    // A file that was read to its end and is read once is a new one each time.
    if !follows && position.unread() == 0 {
        opened.warning = Some(format!(
            "another file stands there than the one that was read up to byte {}; it is read from \
             its start",
            position.offset
        ));
        return Ok(current.into_iter().collect());
    }
    let found = chain.find(position, current.as_ref().map(|current| current.identity))?;
    let mut files = Vec::new();
    match found.read {
        Some(read) => files.push(Tracked::left(read)?.at(position)),
        // A copy took its place, with what was read and more.
        None if is_same && follows && position.evidence() >= EVIDENCE => {
            return Ok(current.into_iter().map(|current| current.at(position)).collect());
        }
        None if is_same && position.evidence() > 0 => {
            opened.warning = Some(
                "another file stands there that begins as the one that was read; it is read from \
                 its start"
                    .to_owned(),
            );
        }
        // Nothing takes its place yet: it may come back.
        None if current.is_none() && found.between.is_empty() && manner.returns => {
            return Ok(Vec::new());
        }
        None if position.offset == 0 && position.length == 0 => {}
        None => opened.gone = Some(gone(position, follows)),
    }
    if follows {
        let between = found.between.into_iter().map(Tracked::left);
        files.extend(between.collect::<io::Result<Vec<_>>>()?);
    }
    files.extend(current);
    Ok(files)
}

fn gone(position: &Position, follows: bool) -> (u64, Position, String) {
    let (unread, offset) = (position.unread(), position.offset);
    let later = match position.modified {
        _ if !follows => String::new(),
        0 => ", and whatever was written to it afterwards may be lost".to_owned(),
        modified => {
            let now = nanos(std::time::SystemTime::now());
            let ago = Duration::from_nanos(now.saturating_sub(modified)).as_secs();
            format!(", and whatever was written to it in the last {ago} s may be lost")
        }
    };
    let lost = match unread {
        0 => "it had been read to its end".to_owned(),
        unread => format!("{unread} bytes of it are lost"),
    };
    let text = format!(
        "the file that was read up to byte {offset} is gone, and is not among its neighbours: \
         {lost}{later}"
    );
    (unread, position.clone(), text)
}

/// Checks the first file before it is read.
pub(super) fn enter(
    chain: &Chain,
    path: &Arc<str>,
    limit: usize,
    needs_front: bool,
) -> Result<Option<Entered>, FileError> {
    let failed = |cause| FileError::io(path, cause);
    let Some((file, _)) = chain.front() else { return Ok(None) };
    let content = &file.content;
    let head = content.head().map_err(failed)?;
    if is_utf16(&head) {
        return Err(FileError::utf16(path));
    }
    if !file.is_intact().map_err(failed)? {
        chain.overwritten(&file).map_err(failed)?;
        return Ok(None);
    }
    let offset = file.position.offset;
    let tail = content.tail(offset).map_err(failed)?;
    let front = match needs_front && offset > 0 {
        true => content.read(0, limit.saturating_add(EVIDENCE)).map_err(failed)?,
        false => Vec::new(),
    };
    Ok(Some(Entered { file, head, tail, front }))
}
