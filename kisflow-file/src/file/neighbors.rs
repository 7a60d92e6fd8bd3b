//! Rotated files: where the file that was read is, and which others came after it.

use std::{
    cmp::Ordering,
    collections::HashSet,
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    disk::{Content, Identity, modified},
    family::{by_age, is_rotated, is_sibling, without_gz},
    position::Position,
};

/// How much earlier than it was a time in a copy may be, in nanoseconds: some compressors keep
/// seconds alone.
const SLACK: u64 = 2_000_000_000;

/// The file that was read.
pub(super) struct Read<'a> {
    pub(super) position: &'a Position,
    /// If it is open still, and has what it had.
    pub(super) open: Option<&'a Metadata>,
}

/// What is looked for beside a path.
pub(super) struct Search<'a> {
    pub(super) path: &'a Path,
    pub(super) read: Read<'a>,
    /// The file at the path.
    pub(super) current: Option<Identity>,
    /// Files that are read already, or wait to be.
    pub(super) taken: &'a [Identity],
    /// Whether a path is somebody else's.
    pub(super) excluded: &'a (dyn Fn(&Path) -> bool + Sync),
}

/// A file beside the path.
pub(super) struct Neighbor {
    pub(super) content: Content,
    pub(super) metadata: Metadata,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// The file that was read, unless it is open still.
    pub(super) read: Option<Neighbor>,
    /// Those that were at the path after it and are not there any longer, the oldest first.
    pub(super) between: Vec<Neighbor>,
}

/// An entry of the folder.
struct Entry {
    path: PathBuf,
    name: String,
    metadata: Metadata,
    /// Whether its name is one that a rotation makes.
    is_kin: bool,
}

impl Entry {
    fn open(&self) -> Option<Neighbor> {
        let content = Content::open(&self.path).ok()?;
        // Another may have taken its name since.
        let metadata = content.file.metadata().ok()?;
        Some(Neighbor { content, metadata })
    }

    /// The open file, if it has what was read up to the position.
    fn open_if_read(&self, position: &Position) -> Option<Neighbor> {
        let open = self.open()?;
        open.content.is_read_up_to(position).ok()?.then_some(open)
    }

    fn identity(&self) -> Identity {
        Identity::of(&self.metadata)
    }
}

impl Search<'_> {
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub(super) fn run(&self) -> io::Result<Found> {
        let entries = self.entries()?;
        let position = self.read.position;
        let mut found = Found::default();
        let mut own = None;
        match self.read.open {
            Some(metadata) => {
                let identity = Identity::of(metadata);
                own = entries.iter().find(|entry| entry.identity() == identity);
            }
            None => {
                if let Some((entry, open)) = self.find(&entries) {
                    own = Some(entry);
                    found.read = Some(open);
                }
            }
        }
        let time = self.read.open.or(found.read.as_ref().map(|read| &read.metadata));
        let time = time.map_or(position.modified, modified);
        if time == 0 {
            return Ok(found);
        }
        let mut between: Vec<&Entry> = entries
            .iter()
            .filter(|entry| {
                entry.is_kin
                    && own.is_none_or(|own| own.identity() != entry.identity())
                    && !self.taken.contains(&entry.identity())
                    && !(self.excluded)(&entry.path)
                    && is_newer(entry, time, own)
                    && !has_plain_twin(entry, &entries)
            })
            .collect();
        between.sort_by(|one, other| {
            let times = modified(&one.metadata).cmp(&modified(&other.metadata));
            times.then_with(|| by_age(&one.name, &other.name))
        });
        for entry in between {
            let Some(open) = entry.open() else { continue };
            // A copy of what was read, as compressors make it.
            let is_copy = position.offset > 0 && open.content.is_read_up_to(position)?;
            if !is_copy {
                found.between.push(open);
            }
        }
        Ok(found)
    }

    /// The file that was read: by its inode, then by what is in it.
    fn find<'e>(&self, entries: &'e [Entry]) -> Option<(&'e Entry, Neighbor)> {
        let position = self.read.position;
        let inode = position.print.inode;
        // An inode alone may have been given to another file.
        let is_known = position.evidence() > 0;
        let mut same = entries
            .iter()
            .filter(|entry| entry.identity().inode == inode && (is_known || entry.is_kin));
        let by_inode = same.find_map(|entry| Some((entry, entry.open_if_read(position)?)));
        if by_inode.is_some() || !is_known {
            return by_inode;
        }
        let mut kin: Vec<&Entry> = entries
            .iter()
            .filter(|entry| {
                entry.is_kin && modified(&entry.metadata).saturating_add(SLACK) >= position.modified
            })
            .collect();
        // Of several that begin so the oldest: what follows is read, rather twice than never.
        kin.sort_by_key(|entry| modified(&entry.metadata));
        kin.into_iter().find_map(|entry| Some((entry, entry.open_if_read(position)?)))
    }

    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut known = HashSet::new();
        let target = fs::canonicalize(self.path).ok();
        let own = folder(self.path);
        self.list(&own, self.path.file_name(), None, &mut known, &mut entries)?;
        // A link that leads to today's file.
        if let Some(target) = target
            && fs::symlink_metadata(self.path).is_ok_and(|path| path.is_symlink())
        {
            let shape = target.file_name();
            self.list(&folder(&target), self.path.file_name(), shape, &mut known, &mut entries)?;
        }
        Ok(entries)
    }

    fn list(
        &self,
        folder: &Path,
        base: Option<&OsStr>,
        shape: Option<&OsStr>,
        known: &mut HashSet<Identity>,
        entries: &mut Vec<Entry>,
    ) -> io::Result<()> {
        let base = base.map(OsStr::to_string_lossy).unwrap_or_default();
        let shape = shape.map(OsStr::to_string_lossy);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_kin = is_rotated(&name, &base)
                || shape
                    .as_ref()
                    .is_some_and(|shape| is_rotated(&name, shape) || is_sibling(&name, shape));
            // Links lead to files that have names of their own.
            let Ok(metadata) = entry.metadata() else { continue };
            let identity = Identity::of(&metadata);
            if metadata.is_file() && self.current != Some(identity) && known.insert(identity) {
                entries.push(Entry { path: entry.path(), name, metadata, is_kin });
            }
        }
        Ok(())
    }
}

/// The folder of a path.
pub(super) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether a file was written after the one that was read.
fn is_newer(entry: &Entry, time: u64, own: Option<&Entry>) -> bool {
    match modified(&entry.metadata).cmp(&time) {
        Ordering::Greater => true,
        Ordering::Less => false,
        // Where times are equal, names tell; where they do not, a row twice is better than none.
        Ordering::Equal => own.is_none_or(|own| by_age(&own.name, &entry.name).is_le()),
    }
}

/// Whether a compressed file is being made of one that is there too.
fn has_plain_twin(entry: &Entry, entries: &[Entry]) -> bool {
    let plain = without_gz(&entry.name);
    plain != entry.name && entries.iter().any(|other| other.name == plain)
}
