//! [`Many`]: the files of a pattern, as they come and go.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kisflow_core::{Positions, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tracing::warn;

use super::{
    disk::Identity,
    pattern::{Listed, Pattern, ordered},
    position::Position,
    watcher::Watched,
};
use crate::{error::FileError, params::Order};

/// The longest time between two lists of a pattern's folders where changes may not be reported.
const SLOWEST: Duration = Duration::from_secs(10);

/// The files of a pattern.
pub(super) struct Many {
    key: Arc<str>,
    order: Order,
    listing: Arc<Listing>,
    /// Files that are done, which may reappear under another name.
    pub(super) left: HashMap<Identity, Position>,
}

/// The last list.
pub(super) struct Listing {
    pattern: Pattern,
    found: Mutex<Vec<Listed>>,
    is_new: AtomicBool,
    wake: Arc<Notify>,
}

/// The files that a source has positions of, as they are kept.
#[derive(Default, Serialize, Deserialize)]
struct Index {
    files: Vec<String>,
}

impl Many {
    /// Lists the files for the first time.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed.
    pub(super) async fn open(
        key: Arc<str>,
        pattern: Pattern,
        order: Order,
        wake: Arc<Notify>,
    ) -> Result<Self, FileError> {
        let is_new = AtomicBool::new(true);
        let listing = Arc::new(Listing { pattern, found: Mutex::default(), is_new, wake });
        let asked = listing.clone();
        let found = tokio::task::spawn_blocking(move || asked.pattern.list()).await;
        let found = found.map_err(std::io::Error::other).and_then(|found| found);
        let found = found.map_err(|error| FileError::io(&key, error))?;
        listing.set(found);
        Ok(Self { key, order, listing, left: HashMap::new() })
    }

    pub(super) fn listing(&self) -> &Arc<Listing> {
        &self.listing
    }

    /// Returns the files in their order, if the list has changed.
    pub(super) fn take(&self) -> Option<Vec<Listed>> {
        let is_new = self.listing.is_new.swap(false, Ordering::AcqRel);
        is_new.then(|| ordered(self.listing.files().clone(), self.order))
    }

    /// Lets [`take`](Self::take) return the list once more.
    pub(super) fn again(&self) {
        self.listing.is_new.store(true, Ordering::Release);
    }

    /// Reads the positions of files that were read before, by path.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub(super) async fn kept(&self, positions: &Positions) -> Result<BTreeMap<PathBuf, Position>> {
        let index = positions.load(&self.key).await?;
        let index: Index = match index.as_deref().map(serde_json::from_slice) {
            Some(Ok(index)) => index,
            Some(Err(_)) => {
                warn!(key = %self.key, "the list of files cannot be read; it is made anew");
                Index::default()
            }
            None => Index::default(),
        };
        let mut kept = BTreeMap::new();
        for file in index.files {
            let position = positions.load(&file).await?;
            if let Some(position) = position.as_deref().and_then(Position::decode) {
                kept.insert(file.into(), position);
            }
        }
        Ok(kept)
    }

    /// Keeps the list of files with positions.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) async fn keep(&self, positions: &Positions, files: Vec<String>) -> Result<()> {
        let index = serde_json::to_vec(&Index { files })?;
        positions.keep(&self.key, index).await
    }
}

impl Listing {
    fn files(&self) -> std::sync::MutexGuard<'_, Vec<Listed>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the list. Returns whether it has changed.
    fn set(&self, found: Vec<Listed>) -> bool {
        let mut files = self.files();
        let same = |(one, other): (&Listed, &Listed)| one.is_same(other);
        let is_new = files.len() != found.len() || !files.iter().zip(&found).all(same);
        *files = found;
        is_new
    }
}

impl Watched for Listing {
    fn places(&self) -> Vec<(PathBuf, Option<OsString>)> {
        self.pattern.folders().into_iter().map(|folder| (folder, None)).collect()
    }

    fn slowest(&self) -> Duration {
        SLOWEST
    }

    fn is_settled(&self) -> bool {
        !self.pattern.has_open_folders()
    }

    fn look(&self) -> bool {
        let found = match self.pattern.list() {
            Ok(found) => found,
            Err(error) => {
                warn!(%error, "the files of a pattern cannot be listed; that is tried again");
                return false;
            }
        };
        let is_new = self.set(found);
        if is_new {
            self.is_new.store(true, Ordering::Release);
            self.wake.notify_one();
        }
        is_new
    }
}
