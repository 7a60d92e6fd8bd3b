//! [`Tracked`]: a file that was at a path, and how far it is read.

use std::{fs::Metadata, io, sync::Arc, time::Instant};

use super::{
    disk::{Content, Identity, Shared, head_print, modified, quiet},
    neighbors::Neighbor,
    position::{Fingerprint, Position, Print},
};

/// A file of the chain.
#[derive(Clone)]
pub(super) struct Tracked {
    pub(super) id: u64,
    pub(super) content: Shared,
    pub(super) identity: Identity,
    /// How far it was read, and what it is known by.
    pub(super) position: Position,
    pub(super) standing: Standing,
    /// When it was seen to grow last, or to leave the path.
    pub(super) since: Instant,
}

/// Where a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// At the path, or removed without a replacement.
    Current,
    /// Renamed or removed: another file took the path.
    Left,
    /// Its content is gone: it was overwritten, without a copy.
    Overwritten,
}

impl Tracked {
    /// A file from its start.
    pub(super) fn new(content: Content, metadata: &Metadata) -> io::Result<Self> {
        let identity = Identity::of(metadata);
        let head = head_print(&content)?;
        let print = Fingerprint { inode: identity.inode, head, tail: Print::default() };
        let position = Position {
            print,
            length: if content.is_gzip() { 0 } else { metadata.len() },
            modified: modified(metadata),
            ..Position::default()
        };
        let (content, standing, since) = (Arc::new(content), Standing::Current, Instant::now());
        Ok(Self { id: 0, content, identity, position, standing, since })
    }

    /// A file that has left the path.
    pub(super) fn left(neighbor: Neighbor) -> io::Result<Self> {
        let Neighbor { content, metadata } = neighbor;
        let now = Instant::now();
        let since = now.checked_sub(quiet(&metadata)).unwrap_or(now);
        let file = Self::new(content, &metadata)?;
        Ok(Self { standing: Standing::Left, since, ..file })
    }

    /// Continues where it was left.
    pub(super) fn at(mut self, position: &Position) -> Self {
        let length = self.position.length.max(position.length);
        let modified = self.position.modified;
        let print = Fingerprint { inode: self.identity.inode, ..position.print };
        self.position = Position { length, modified, print, ..position.clone() };
        self
    }

    /// The position behind its last byte.
    pub(super) fn end(&self, length: u64) -> io::Result<Position> {
        let mut position = self.position.clone();
        if !self.content.is_gzip() {
            position.offset = length;
            position.print.head = head_print(&self.content)?;
            position.print.tail = Print::of(&self.content.tail(length)?);
        }
        Ok(position)
    }

    /// Returns whether it still has what was read of it.
    pub(super) fn is_intact(&self) -> io::Result<bool> {
        let Self { content, position, .. } = self;
        match content.is_gzip() {
            true => content.is_same_gzip(),
            false => content.is_read_up_to(position),
        }
    }
}
