//! The files of a pattern: opened first, and followed as they come and go.

use std::{
    path::Path,
    sync::{Arc, Weak},
};

use kisflow_core::Result;
use tracing::warn;

use super::{
    open::Begin,
    part::{Manner, Part},
    reader::{Begins, Reader, Reading},
    watcher::Watched,
};

impl Reader {
    /// Opens the files of the pattern.
    pub(super) async fn open_many(&mut self, begins: Begins) -> Result<()> {
        let Some(many) = &self.many else { return Ok(()) };
        let mut kept = many.kept(self.context.positions()).await?;
        let files = many.take().unwrap_or_default();
        if files.is_empty() && !self.manner.follows {
            warn!(key = %self.key, "no file has a name of the pattern");
        }
        let mut begin = Vec::new();
        for file in &files {
            let name = text(&file.path);
            if kept.contains_key(&file.path) {
                continue;
            }
            // A file with a new name.
            let inode = file.identity.inode;
            let former = kept.iter().find(|(path, position)| {
                position.print.inode == inode
                    && position.offset > 0
                    && !files.iter().any(|file| file.path == **path && file.identity.inode == inode)
            });
            if let Some((path, position)) = former.map(|(path, at)| (path.clone(), at.clone())) {
                kept.remove(&path);
                self.over.push(text(&path));
                begin.push((name, Begin::Moved(position)));
            } else {
                begin.push((name, begins.begin()));
            }
        }
        // Files that are gone come first: their remaining rows are older.
        let gone = kept.iter().filter(|(path, _)| !files.iter().any(|it| it.path == **path));
        for (path, position) in gone {
            if position.unread() > 0 {
                let manner = Manner { returns: false, ..self.manner };
                self.add(text(path), Begin::Kept(position.clone()), manner)?;
            } else {
                self.over.push(text(path));
            }
        }
        for file in &files {
            let name = text(&file.path);
            let found = begin.iter().position(|(path, _)| *path == name);
            let begin = match (found, kept.remove(&file.path)) {
                (Some(at), _) => begin.swap_remove(at).1,
                (None, Some(position)) => Begin::Kept(position),
                (None, None) => begins.begin(),
            };
            self.add(name, begin, Manner { returns: false, ..self.manner })?;
        }
        self.keep_beginnings().await;
        if let (true, Some(many)) = (self.manner.follows, &self.many) {
            let listing: Weak<dyn Watched> = Arc::downgrade(many.listing()) as Weak<dyn Watched>;
            self.watch(listing)?;
        }
        Ok(())
    }

    /// Takes in which files a pattern names.
    pub(super) fn list(&mut self) -> Result<()> {
        if self.manner.follows
            && let Some(many) = &self.many
            && let Some(files) = many.take()
        {
            let identities: Vec<_> =
                self.parts.iter().flat_map(|it| it.part.chain.identities()).collect();
            let mut new = Vec::new();
            for file in &files {
                let name = text(&file.path);
                if self.parts.iter().any(|it| it.part.path == name)
                    || identities.contains(&file.identity)
                {
                    continue;
                }
                let begin = match many.left.get(&file.identity) {
                    Some(position) => Begin::Moved(position.clone()),
                    None => Begin::First,
                };
                new.push((name, begin));
            }
            let is_there = |part: &Part| {
                files.iter().any(|file| {
                    text(&file.path) == part.path
                        || part.chain.identities().contains(&file.identity)
                })
            };
            let is_over = |it: &mut Reading| !is_there(&it.part) && it.part.is_done();
            self.over.extend(self.parts.extract_if(.., is_over).map(|it| it.part.path));
            self.turn = self.turn.min(self.parts.len());
            for (name, begin) in new {
                self.add(name, begin, Manner { returns: false, ..self.manner })?;
            }
        }
        Ok(())
    }
}

/// A path as positions name it.
fn text(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}
