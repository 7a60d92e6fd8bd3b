//! [`Losses`]: bytes that were gone before they could be read, reported until they are
//! acknowledged.

use std::{collections::BTreeMap, sync::Arc};

use kisflow_core::{SourceContext, SourceProblem};
use tracing::{error, info, warn};

use super::position::{Loss, Position};

/// How many losses of a file are kept with its position.
const MOST: usize = 16;

/// Bytes that were gone before they could be read.
pub(super) struct Losses {
    context: SourceContext,
    source: String,
    acknowledged: Vec<String>,
    /// Reported by `/readyz`.
    problems: BTreeMap<String, SourceProblem>,
    /// Kept with the positions, by path.
    kept: BTreeMap<Arc<str>, Vec<Loss>>,
}

impl Losses {
    pub(super) fn new(context: SourceContext, source: &str, acknowledged: Vec<String>) -> Self {
        let (source, problems, kept) = (source.to_owned(), BTreeMap::new(), BTreeMap::new());
        Self { context, source, acknowledged, problems, kept }
    }

    /// Restores the losses that were kept with a position; a former process has counted them.
    pub(super) fn restore(&mut self, path: &Arc<str>, losses: &[Loss]) {
        for loss in losses {
            self.tell(path, loss.clone());
        }
    }

    /// Records that bytes behind a position are gone.
    pub(super) fn add(&mut self, path: &Arc<str>, bytes: u64, position: &Position, what: &str) {
        let id = position.id(path);
        if self.of(path).iter().any(|loss| loss.id == id) {
            return;
        }
        let loss = Loss { id, text: what.to_owned() };
        if !self.acknowledged.contains(&loss.id) {
            self.context.count_lost(bytes);
            let (source, id) = (&self.source, &loss.id);
            match bytes {
                0 => warn!(source, %path, loss = id, "rows may be lost: {what}"),
                _ => error!(source, %path, bytes, loss = id, "rows are lost: {what}"),
            }
        }
        self.tell(path, loss);
    }

    fn tell(&mut self, path: &Arc<str>, loss: Loss) {
        let Loss { id, text } = &loss;
        if self.acknowledged.contains(id) {
            info!(source = self.source, %path, loss = id, "a loss was acknowledged: {text}");
            return;
        }
        let source = &self.source;
        let problem = self.context.problem(format!(
            "source `{source}`, {path}: {text}; once you have seen to it, set \
             `acknowledged: [{id}]` in the source's `params`"
        ));
        self.problems.insert(id.clone(), problem);
        let kept = self.kept.entry(path.clone()).or_default();
        kept.push(loss);
        if kept.len() > MOST {
            kept.remove(0);
        }
    }

    /// Returns the losses to keep with the positions of a file.
    pub(super) fn of(&self, path: &Arc<str>) -> Vec<Loss> {
        self.kept.get(path).cloned().unwrap_or_default()
    }
}
