//! The files of a pattern: opened first, and followed as they come and go.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use kisflow_core::Result;
use tracing::warn;

use super::{
    open::Begin,
    part::{Manner, Part},
    position::Position,
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
        // Files that go on under another name, by their inode; their old name may have another file.
        let mut paths: HashMap<u64, Vec<&Path>> = HashMap::new();
        for file in &files {
            paths.entry(file.identity.inode).or_default().push(&file.path);
        }
        let is_elsewhere = |path: &Path, position: &Position| {
            let paths = paths.get(&position.print.inode).filter(|_| position.offset > 0);
            paths.is_some_and(|paths| !paths.contains(&path))
        };
        let moved: BTreeMap<PathBuf, Position> =
            kept.extract_if(.., |path, position| is_elsewhere(path, position)).collect();
        self.over.extend(moved.keys().map(|path| text(path)));
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
            let inode = file.identity.inode;
            let former = moved.values().find(|position| position.print.inode == inode);
            let begin = match (kept.remove(&file.path), former) {
                (Some(position), _) => Begin::Kept(position),
                (None, Some(position)) => Begin::Moved(position.clone()),
                // It took the path of a file that goes on under another name.
                (None, None) if moved.contains_key(&file.path) => Begin::First,
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
