//! Rotated files: where the file that was read is, and which others came after it.

use std::{
    cell::Cell,
    cmp::Ordering,
    collections::HashSet,
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

use super::{
    disk::{Content, Identity, modified},
    family::{by_age, is_rotated, is_sibling, without_foreign, without_gz},
    position::Position,
};

/// How much earlier than it was a time in a copy may be, in nanoseconds: some compressors keep
/// seconds alone.
const SLACK: u64 = 2_000_000_000;

/// How often a folder is listed at most when files are renamed meanwhile.
const TRIES: usize = 10;

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
    /// Whether a path belongs to another file.
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
    /// Those among them that cannot be read.
    pub(super) unreadable: Vec<SkippedFile>,
}

/// A rotated file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SkippedFile {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    pub(super) length: u64,
    pub(super) modified: u64,
    /// Why, and what to do.
    pub(super) why: String,
}

/// The files of a folder, as one pass over it found them. Renames meanwhile may hide a file from
/// that pass, or put another in its place.
#[derive(Default)]
struct FolderListing {
    entries: Vec<Entry>,
    /// The file that was at the path before the pass, if it has been rotated since.
    rotated: Option<Entry>,
    /// The names of all files, also of those that are no entries.
    names: HashSet<String>,
    /// Whether a file was another when it was opened.
    is_stale: Cell<bool>,
}

/// An entry of the folder.
struct Entry {
    path: PathBuf,
    name: String,
    metadata: Metadata,
    /// Whether its name is one that a rotation makes.
    is_kin: bool,
    /// Whether it would be, without the ending of a compressed file that is not read here.
    is_foreign: bool,
}

impl FolderListing {
    /// Opens a file, unless another has taken its name.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be opened.
    fn open(&self, entry: &Entry) -> io::Result<Option<Neighbor>> {
        let open = Content::open(&entry.path).and_then(|content| {
            let metadata = content.file.metadata()?;
            Ok(Neighbor { content, metadata })
        });
        let open = match open {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            open => Some(open?).filter(|open| Identity::of(&open.metadata) == entry.identity()),
        };
        self.is_stale.set(self.is_stale.get() || open.is_none());
        Ok(open)
    }

    /// The open file, if it has what was read up to the position.
    fn open_if_read(&self, entry: &Entry, position: &Position) -> Option<Neighbor> {
        let open = self.open(entry).ok()??;
        open.content.is_read_up_to(position).ok()?.then_some(open)
    }

    /// The file that was read: by its inode, then by what is in it.
    fn find(&self, position: &Position) -> Option<(&Entry, Neighbor)> {
        let inode = position.print.inode;
        // An inode alone may have been given to another file.
        let is_known = position.evidence() > 0;
        let mut same = self.entries.iter().filter(|entry| {
            entry.identity().inode == inode
                && (is_known || (entry.is_kin && !self.has_plain_twin(entry)))
        });
        let by_inode = same.find_map(|entry| Some((entry, self.open_if_read(entry, position)?)));
        if by_inode.is_some() || !is_known {
            return by_inode;
        }
        let mut kin: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| {
                entry.is_kin && modified(&entry.metadata).saturating_add(SLACK) >= position.modified
            })
            .collect();
        // Of several that begin so the oldest: what follows is read, rather twice than never.
        kin.sort_by_key(|entry| modified(&entry.metadata));
        kin.into_iter().find_map(|entry| Some((entry, self.open_if_read(entry, position)?)))
    }

    /// Whether a compressed file is being made of one that is there too.
    fn has_plain_twin(&self, entry: &Entry) -> bool {
        let plain = without_foreign(&entry.name).unwrap_or_else(|| without_gz(&entry.name));
        plain != entry.name && self.names.contains(plain)
    }

    /// Whether another pass over the folder found the same rotated files.
    fn agrees(&self, other: &Self) -> bool {
        let kin = |listing: &Self| -> HashSet<(PathBuf, Identity)> {
            let kin = listing.entries.iter().filter(|entry| entry.is_kin);
            kin.map(|entry| (entry.path.clone(), entry.identity())).collect()
        };
        !self.is_stale.get() && kin(self) == kin(other)
    }
}

impl Entry {
    fn identity(&self) -> Identity {
        Identity::of(&self.metadata)
    }

    fn unreadable(&self, why: String) -> SkippedFile {
        let (identity, length) = (self.identity(), self.metadata.len());
        SkippedFile {
            path: self.path.clone(),
            identity,
            length,
            modified: modified(&self.metadata),
            why,
        }
    }
}

impl Search<'_> {
    /// # Errors
    ///
    /// When the folder cannot be listed.
    pub(super) fn run(&self) -> io::Result<Found> {
        let mut listing = self.list_folders()?;
        for _ in 1..TRIES {
            let found = self.search(&listing)?;
            let again = self.list_folders()?;
            if listing.agrees(&again) {
                return Ok(found);
            }
            listing = again;
        }
        self.search(&listing)
    }

    fn search(&self, listing: &FolderListing) -> io::Result<Found> {
        let position = self.read.position;
        let mut found = Found::default();
        let mut own = None;
        match self.read.open {
            Some(metadata) => {
                let identity = Identity::of(metadata);
                own = listing.entries.iter().find(|entry| entry.identity() == identity);
            }
            None => {
                if let Some((entry, open)) = listing.find(position) {
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
        // Compressors keep the time of what they compress: one with the time of the file that was
        // read is that file.
        let foreign = listing.entries.iter().filter(|entry| {
            entry.is_foreign
                && modified(&entry.metadata) > time
                && !(self.excluded)(&entry.path)
                && !listing.has_plain_twin(entry)
        });
        let why = "its compression is not read; let rotation use gzip or `delaycompress`";
        found.unreadable.extend(foreign.map(|entry| entry.unreadable(why.to_owned())));
        let mut between: Vec<&Entry> = listing
            .entries
            .iter()
            .filter(|entry| {
                entry.is_kin
                    && own.is_none_or(|own| own.identity() != entry.identity())
                    && !self.taken.contains(&entry.identity())
                    && !(self.excluded)(&entry.path)
                    && is_newer(entry, time, own)
                    && !listing.has_plain_twin(entry)
                    // Others have been at the path since: the next look finds what came after it.
                    && listing.rotated.as_ref().is_none_or(|rotated| by_time(entry, rotated).is_le())
            })
            .collect();
        between.sort_by(|one, other| by_time(one, other));
        for entry in between {
            let checked = listing.open(entry).and_then(|open| {
                let Some(open) = open else { return Ok(None) };
                // A gzip that is damaged says so when it is read.
                open.content.head()?;
                let is_copy = own.is_none() && is_packed_copy(&open.content, position)?;
                Ok((!is_copy).then_some(open))
            });
            match checked {
                Ok(open) => found.between.extend(open),
                Err(error) => found.unreadable.push(entry.unreadable(error.to_string())),
            }
        }
        Ok(found)
    }

    fn list_folders(&self) -> io::Result<FolderListing> {
        let mut listing = FolderListing::default();
        let mut known = HashSet::new();
        let target = fs::canonicalize(self.path).ok();
        let own = folder(self.path);
        self.list(&own, None, &mut known, &mut listing)?;
        // A link that leads to today's file.
        if let Some(target) = target
            && fs::symlink_metadata(self.path).is_ok_and(|path| path.is_symlink())
        {
            self.list(&folder(&target), target.file_name(), &mut known, &mut listing)?;
        }
        Ok(listing)
    }

    /// Lists one folder; `shape` is the name that a link leads to.
    fn list(
        &self,
        folder: &Path,
        shape: Option<&OsStr>,
        known: &mut HashSet<Identity>,
        listing: &mut FolderListing,
    ) -> io::Result<()> {
        let base = self.path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        let shape = shape.map(OsStr::to_string_lossy);
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_kin = |name: &str| {
                is_rotated(name, &base)
                    || shape
                        .as_ref()
                        .is_some_and(|shape| is_rotated(name, shape) || is_sibling(name, shape))
            };
            let is_foreign = without_foreign(&name).is_some_and(is_kin);
            let is_kin = is_kin(&name);
            // Links lead to files that have names of their own.
            let Ok(metadata) = entry.metadata() else { continue };
            if !metadata.is_file() {
                continue;
            }
            listing.names.insert(name.clone());
            let identity = Identity::of(&metadata);
            let entry = Entry { path: entry.path(), name, metadata, is_kin, is_foreign };
            if self.current == Some(identity) {
                listing.rotated = Some(entry).filter(|entry| entry.is_kin);
            } else if known.insert(identity) {
                listing.entries.push(entry);
            }
        }
        Ok(())
    }
}

/// Whether a file is what was read, compressed: all of that, and no more.
fn is_packed_copy(content: &Content, position: &Position) -> io::Result<bool> {
    Ok(content.is_gzip()
        && position.offset > 0
        && content.is_read_up_to(position)?
        && content.read(position.length.max(position.offset), 1)?.is_empty())
}

/// The folder of a path.
pub(super) fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Which of two files was written first; where times are equal, names tell.
fn by_time(one: &Entry, other: &Entry) -> Ordering {
    let times = modified(&one.metadata).cmp(&modified(&other.metadata));
    times.then_with(|| by_age(&one.name, &other.name))
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
