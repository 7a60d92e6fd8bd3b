//! Positions without a row: where reading begins, and paths that are not read any more.

use std::sync::Arc;

use kisflow_core::Delivery;

use super::{
    open::Begin,
    position::Position,
    reader::{Reader, Reading},
};

impl Reader {
    /// Keeps the beginning of a part, for a process that restarts before the first row: it may
    /// begin at the end, or in a file that is replaced by then.
    pub(super) fn keep_begin(&mut self, at: usize) {
        let Some(Reading { part, is_fresh, .. }) = self.parts.get_mut(at) else { return };
        *is_fresh = false;
        let (path, position) = (part.path.clone(), part.begins_at());
        let losses = self.losses.of(&path);
        self.pass(path, &Position { losses, ..position });
    }

    /// Keeps a position without a row.
    pub(super) fn pass(&mut self, path: Arc<str>, position: &Position) {
        let progress = self.progress.take().unwrap_or_else(Delivery::progress);
        self.progress = Some(progress.keep(path, position.encode()));
    }

    /// Removes the position of a path that is not read any more.
    fn forget(&mut self, path: Arc<str>) {
        let progress = self.progress.take().unwrap_or_else(Delivery::progress);
        self.progress = Some(progress.forget(path));
    }

    /// Keeps where files begin that a process would not find there again, and forgets those that are
    /// over, all at once: one of them may go on under another name, or another file under its name.
    pub(super) async fn keep_beginnings(&mut self) {
        while let Some(at) = self.parts.iter().position(|it| it.is_fresh) {
            match self.begin(at).await {
                Ok(()) => self.keep_begin(at),
                Err(error) => {
                    self.keep_moved(at);
                    self.failed(at, &error);
                }
            }
        }
        // A path that has a file again is not over.
        let is_read = |path: &Arc<str>| self.parts.iter().any(|it| it.part.path == *path);
        let over: Vec<_> = self.over.iter().filter(|path| !is_read(path)).cloned().collect();
        self.over.clear();
        over.into_iter().for_each(|path| self.forget(path));
    }

    /// Keeps where a file was left under another name that cannot be opened now.
    fn keep_moved(&mut self, at: usize) {
        let Some(Reading { part, is_fresh, .. }) = self.parts.get_mut(at) else { return };
        *is_fresh = false;
        if let Some(Begin::Moved(position)) = &part.begin {
            let (path, position) = (part.path.clone(), position.clone());
            self.pass(path, &position);
        }
    }
}
