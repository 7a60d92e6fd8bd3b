//! A look at a path: what has happened to its files since the last one.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    chain::{Chain, EVIDENCE, LATE, Missed, Stamp},
    disk::{Content, Identity, modified, quiet},
    neighbors::{Found, Neighbor, Read, Search, SkippedFile, folder},
    position::{Fingerprint, HEAD, Position, Print},
    settled::links,
    tracked::{Standing, Tracked},
    watcher::Watched,
};

/// For this long after a write, the file's times do not show another one.
const COARSE: Duration = Duration::from_secs(2);

impl Chain {
    /// Looks at the path, and at the file that was there last.
    ///
    /// # Errors
    ///
    /// When the path or its folder cannot be read.
    pub(super) fn look(&self) -> io::Result<()> {
        self.look_at_left();
        let (last, first, stamp) = {
            let state = self.state();
            let first = state.files.front().filter(|_| state.files.len() > 1).cloned();
            (state.files.back().cloned(), first, state.stamp)
        };
        let there = match fs::metadata(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            there => Some(there?),
        };
        let Some(last) = last else {
            // A file may have been at the path, and may be beside it.
            let folder = fs::metadata(folder(self.path())).ok().map(|folder| modified(&folder));
            let is_new = std::mem::replace(&mut self.state().folder, folder) != folder;
            if there.is_some() || is_new {
                self.changed();
            }
            return Ok(());
        };
        // One that was overwritten shares its handle with the file that took its place.
        if let Some(first) = first.filter(|first| first.standing == Standing::Left) {
            self.grew(&first, &first.content.file.metadata()?);
        }
        let is_there = there.as_ref().is_some_and(|there| Identity::of(there) == last.identity);
        // It was truncated and rewritten before it left the path.
        if !is_there && last.standing == Standing::Current && !last.is_intact()? {
            self.overwritten(&last)?;
            return self.look_on();
        }
        if !is_there && last.standing == Standing::Current {
            self.begins(&last)?;
        }
        match there {
            None => {
                self.grew(&last, &last.content.file.metadata()?);
                // Other files may have come and gone.
                self.replaced(&last)?;
            }
            Some(there) if !is_there => {
                if there.is_file() {
                    self.replaced(&last)?;
                }
            }
            Some(there) => {
                let identity = last.identity;
                let found = Stamp { identity, length: there.len(), modified: modified(&there) };
                if stamp == Some(found) {
                    return Ok(());
                }
                if !last.is_intact()? {
                    return self.overwritten(&last);
                }
                self.begins(&last)?;
                // The length is that of the text that was compared if the text is there afterwards.
                let grown = last.content.file.metadata()?;
                let Some(last) = self.last().filter(|it| it.id == last.id) else { return Ok(()) };
                if !last.is_intact()? {
                    return self.overwritten(&last);
                }
                if last.position.evidence() == 0 && grown.len() > 0 && !last.content.is_gzip() {
                    // It was written to since: the next look learns how it begins.
                    self.changed();
                    return Ok(());
                }
                let is_settled = quiet(&there) > COARSE;
                self.state().stamp = is_settled.then_some(found);
                self.grew(&last, &grown);
            }
        }
        Ok(())
    }

    /// The file that was overwritten is the last one of the chain, as it is since: what became of
    /// that?
    fn look_on(&self) -> io::Result<()> {
        let Some(last) = self.last() else { return Ok(()) };
        self.replaced(&last)
    }

    /// Takes down how a file begins that was short when it was seen first. What was in one that was
    /// empty, and was moved aside by copying meanwhile, is read before it.
    fn begins(&self, last: &Tracked) -> io::Result<()> {
        let known = last.position.print.head.length;
        if known >= HEAD || last.content.is_gzip() {
            return Ok(());
        }
        let head = last.content.head()?;
        if !last.position.print.head.begins(&head) {
            // It was truncated since it was compared: the next look will find that.
            return Ok(());
        }
        let head = Print::of(&head);
        let is_empty = last.position.evidence() == 0 && last.position.length == 0;
        let between = match is_empty {
            true => {
                let read = Read { position: &last.position, open: None };
                self.search(read, Some(last.identity))?.between
            }
            false => Vec::new(),
        };
        let between: Vec<_> = between.into_iter().map(Tracked::left).collect::<Result<_, _>>()?;
        let mut state = self.state();
        let Some(at) = state.files.iter().position(|file| file.id == last.id) else {
            return Ok(());
        };
        if let Some(file) = state.files.get_mut(at)
            && file.position.offset == 0
            && file.position.print.head.length == known
        {
            file.position.print.head = head;
            between.into_iter().rev().for_each(|file| state.insert(at, file));
        }
        Ok(())
    }

    /// Records how long a file is.
    fn grew(&self, known: &Tracked, metadata: &Metadata) {
        let mut state = self.state();
        let Some(file) = state.files.iter_mut().find(|file| file.id == known.id) else { return };
        let (length, modified) = (metadata.len(), modified(metadata));
        let is_news = length != file.position.length || modified != file.position.modified;
        file.position.modified = modified;
        if !file.content.is_gzip() {
            file.position.length = file.position.length.max(length);
        }
        drop(state);
        if is_news {
            self.changed();
        }
    }

    /// Another file is at the path, or none.
    fn replaced(&self, last: &Tracked) -> io::Result<()> {
        let current = match Content::open(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            content => {
                let content = content?;
                let metadata = content.file.metadata()?;
                Some(Tracked::new(content, &metadata)?)
            }
        };
        let identity = current.as_ref().map(|current| current.identity);
        if identity == Some(last.identity) {
            return Ok(());
        }
        let open = last.content.file.metadata()?;
        // A complete copy was written and moved over it.
        if let Some(current) = &current
            && links(&open) == 0
            && last.standing != Standing::Overwritten
        {
            let end = last.end(open.len())?;
            if end.evidence() >= EVIDENCE && current.content.is_read_up_to(&end)? {
                return self.add(last, None, Vec::new(), Some(current.clone().at(&end)));
            }
        }
        let open = (last.standing != Standing::Overwritten).then_some(&open);
        let read = Read { position: &last.position, open };
        let between = self.search(read, identity)?.between;
        match between.is_empty() && current.is_none() {
            true => Ok(()),
            false => self.add(last, None, between, current),
        }
    }

    /// The file is another, though it is the same inode: it was truncated and written again.
    pub(super) fn overwritten(&self, last: &Tracked) -> io::Result<()> {
        let content = last.content.again()?;
        let metadata = content.file.metadata()?;
        let current = Tracked::new(content, &metadata)?;
        let read = Read { position: &last.position, open: None };
        let found = self.search(read, Some(current.identity))?;
        let copy = found.read.map(Tracked::left).transpose()?;
        self.add(last, Some(copy), found.between, Some(current))
    }

    fn search(&self, read: Read<'_>, current: Option<Identity>) -> io::Result<Found> {
        let taken = self.identities();
        let search =
            Search { path: self.path(), read, current, taken: &taken, excluded: &*self.excluded };
        let found = search.run()?;
        self.miss(&found.unreadable);
        Ok(found)
    }

    /// Reports rotated files that cannot be read, each once.
    fn miss(&self, files: &[SkippedFile]) {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.unreadable, files.to_vec());
        for file in files.iter().filter(|file| !before.contains(file)) {
            let SkippedFile { path, identity, length: bytes, modified, why } = file;
            let path = path.display();
            let what = format!(
                "`{path}`, of {bytes} bytes, was rotated before it was read, and it cannot be read: \
                 {why}; make it readable and `feed` it"
            );
            // It is known by its times: nothing of it was read.
            let head = Print::of(&modified.to_le_bytes());
            let print = Fingerprint { inode: identity.inode, head, ..Fingerprint::default() };
            let position = Position { print, length: *bytes, ..Position::default() };
            state.missed.push(Missed { position, bytes: *bytes, what });
        }
        let has_news = !state.missed.is_empty();
        drop(state);
        if has_news {
            self.changed();
        }
    }

    /// What was read up to a position and is not at the path: where it is, and what came after it.
    pub(super) fn find(&self, position: &Position, current: Option<Identity>) -> io::Result<Found> {
        self.search(Read { position, open: None }, current)
    }

    /// Adds the files that came after `last`, unless another look has done so. `copy` has the
    /// content of a file that was overwritten.
    fn add(
        &self,
        last: &Tracked,
        copy: Option<Option<Tracked>>,
        between: Vec<Neighbor>,
        current: Option<Tracked>,
    ) -> io::Result<()> {
        let between: Vec<_> = between.into_iter().map(Tracked::left).collect::<Result<_, _>>()?;
        let mut state = self.state();
        if state.files.back().is_none_or(|back| back.id != last.id) {
            // It has left the path, and its content is gone as well.
            let mut files = state.files.iter_mut().filter(|file| file.id == last.id);
            if let Some(file) = files.find(|file| Arc::ptr_eq(&file.content, &last.content))
                && copy.is_some()
            {
                file.standing = Standing::Overwritten;
            }
            return Ok(());
        }
        let Some(back) = state.files.back_mut() else { return Ok(()) };
        if back.standing == Standing::Current {
            (back.standing, back.since) = (Standing::Left, Instant::now());
        }
        let is_overwritten = copy.is_some();
        match copy {
            None => {}
            Some(Some(copy)) => {
                // A copy is not written to.
                back.position.length = back.position.length.max(copy.position.length);
                (back.content, back.identity, back.since) =
                    (copy.content, copy.identity, copy.since);
            }
            Some(None) => back.standing = Standing::Overwritten,
        }
        let (path, offset) = (self.path().display(), back.position.offset);
        match is_overwritten {
            true => warn!(%path, offset, "the file was truncated; it is read from its start"),
            false => info!(%path, offset, "the file was rotated; the new one is read behind it"),
        }
        between.into_iter().chain(current).for_each(|file| state.push(file));
        state.stamp = None;
        drop(state);
        self.changed();
        Ok(())
    }

    /// Looks at files that were left.
    fn look_at_left(&self) {
        let left = {
            let mut state = self.state();
            state.left.retain(|file| file.since.elapsed() < LATE);
            state.left.clone()
        };
        for file in &left {
            let Ok(length) = file.content.length() else { continue };
            let Some(late) = length.checked_sub(file.position.length).filter(|late| *late > 0)
            else {
                continue;
            };
            let mut state = self.state();
            let mut known = state.left.iter_mut().filter(|known| known.id == file.id);
            if let Some(known) = known.find(|known| known.position.length < length) {
                let offset = known.position.length;
                let position = Position { offset, ..known.position.clone() };
                known.position.length = length;
                let what = format!(
                    "{late} bytes were written to a rotated file after it had been left at byte \
                     {offset}; raise `rotate_wait_ms`"
                );
                state.missed.push(Missed { position, bytes: late, what });
                drop(state);
                self.changed();
            }
        }
    }

    /// The identities of all its files.
    pub(super) fn identities(&self) -> Vec<Identity> {
        self.state().files.iter().map(|file| file.identity).collect()
    }

    /// How many bytes are behind `offset` of the first file, as far as that was seen.
    pub(super) fn waiting(&self, offset: u64) -> u64 {
        let state = self.state();
        let rest = state.files.iter().skip(1).map(|file| file.position.length);
        let first = state.files.front().map(|file| file.position.length.saturating_sub(offset));
        first.into_iter().chain(rest).sum()
    }
}

impl Watched for Chain {
    fn places(&self) -> Vec<(PathBuf, Option<OsString>)> {
        let place = |path: &Path| (folder(path), path.file_name().map(Into::into));
        let target = fs::canonicalize(self.path()).ok();
        [Some(place(self.path())), target.as_deref().map(place)].into_iter().flatten().collect()
    }

    fn is_settled(&self) -> bool {
        self.expects_only_reports()
    }

    fn look(&self) -> bool {
        let before = self.version();
        if let Err(error) = self.look() {
            self.state().failure = Some(error);
            self.changed();
        }
        self.version() != before
    }
}
