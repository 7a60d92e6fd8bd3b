//! [`Question`]: work for a path on a thread that may block.

use std::{io, sync::Arc};

use super::{
    chain::Chain,
    open::{Begin, Entered, Opened, enter, open},
    part::Manner,
    tracked::{Standing, Tracked},
};
use crate::error::FileError;

/// The least that is read at once: the usual growth of a file between two looks.
const LEAST: u64 = 4096;

/// The work for a thread.
pub(super) struct Question {
    pub(super) path: Arc<str>,
    pub(super) chain: Arc<Chain>,
    pub(super) manner: Manner,
    /// Where to begin, if nothing is open.
    pub(super) begin: Option<Begin>,
    /// The file that is being read.
    pub(super) entered: Option<u64>,
    /// Whether that file cannot be used.
    pub(super) is_broken: bool,
    /// The longest line, and whether the beginning of the file is needed.
    pub(super) limit: usize,
    pub(super) needs_front: bool,
    /// How much to read at most.
    pub(super) room: usize,
}

/// What it found.
pub(super) enum Answer {
    Opened(Opened),
    Entered(Box<Entered>),
    /// More of the file with this id: the bytes after the first ones, of which this many are known.
    More(u64, Vec<u8>, usize),
    End,
    /// The chain has changed in the meantime.
    Again,
}

impl Question {
    pub(super) fn ask(self) -> Result<Answer, FileError> {
        let Self { path, chain, manner, limit, .. } = self;
        let failed = |cause| FileError::io(&path, cause);
        if let Some(begin) = self.begin {
            return open(&chain, &path, &begin, limit, manner).map(Answer::Opened);
        }
        if let Some(failure) = chain.take_failure() {
            return Err(failed(failure));
        }
        if self.is_broken {
            chain.look().map_err(failed)?;
        }
        let Some((file, is_followed)) = chain.front() else { return Ok(Answer::Again) };
        if file.standing == Standing::Overwritten || (self.is_broken && is_followed) {
            return Ok(Answer::End);
        }
        if self.entered != Some(file.id) {
            let entered = enter(&chain, &path, limit, self.needs_front)?;
            return Ok(entered.map_or(Answer::Again, |it| Answer::Entered(Box::new(it))));
        }
        read(&chain, &file, self.room, manner.follows).map_err(failed)
    }
}

fn read(chain: &Chain, file: &Tracked, room: usize, follows: bool) -> io::Result<Answer> {
    let Tracked { content, position, .. } = file;
    if content.is_gzip() {
        if !file.is_intact()? {
            chain.overwritten(file)?;
            return Ok(Answer::Again);
        }
        let chunk = content.read(position.offset, room)?;
        if chunk.is_empty() && !follows && content.is_cut_off() {
            let message = "the gzip stream is cut off";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        return Ok(if chunk.is_empty() { Answer::End } else { Answer::More(file.id, chunk, 0) });
    }
    // The last bytes are read again together with the following ones, so that both are from the
    // same file.
    let tail = position.print.tail.length;
    let grown = position.length.saturating_sub(position.offset).max(LEAST);
    let room = room.min(usize::try_from(grown).unwrap_or(room));
    let chunk = content.read(position.offset - tail as u64, tail + room)?;
    let is_intact = position.print.tail.begins(&chunk)
        && position.print.head.begins(&content.read(0, position.print.head.length)?);
    if !is_intact {
        chain.overwritten(file)?;
        return Ok(Answer::Again);
    }
    Ok(if chunk.len() <= tail { Answer::End } else { Answer::More(file.id, chunk, tail) })
}
