//! Positions without a row: where reading begins, and paths that are not read any more.

use std::sync::Arc;

use kisflow_core::Delivery;

use super::{
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
        self.pass(path, &position);
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

    /// Keeps where files begin that a process would not find there again, then forgets those that are
    /// over: one of them may go on under another name.
    pub(super) async fn keep_beginnings(&mut self) {
        while let Some(at) = self.parts.iter().position(|it| it.is_fresh) {
            if let Err(error) = self.begin(at).await {
                self.failed(at, &error);
            }
            self.keep_begin(at);
        }
        std::mem::take(&mut self.over).into_iter().for_each(|path| self.forget(path));
    }
}
