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

impl Many {
    /// Lists the files for the first time.
    ///
    /// # Errors
    ///
    /// When a folder cannot be listed.
    pub(super) async fn open(
        key: &Arc<str>,
        pattern: Pattern,
        order: Order,
        wake: Arc<Notify>,
    ) -> Result<Self, FileError> {
        let is_new = AtomicBool::new(true);
        let listing = Arc::new(Listing { pattern, found: Mutex::default(), is_new, wake });
        let asked = listing.clone();
        let found = tokio::task::spawn_blocking(move || asked.pattern.list()).await;
        let found = found.map_err(std::io::Error::other).and_then(|found| found);
        let found = found.map_err(|error| FileError::io(key, error))?;
        listing.set(found);
        Ok(Self { order, listing, left: HashMap::new() })
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
        let mut kept = BTreeMap::new();
        for (path, position) in positions.all().await? {
            let file = PathBuf::from(&path);
            if !self.listing.pattern.matches(&file) {
                continue;
            }
            match Position::decode(&position) {
                Some(position) => drop(kept.insert(file, position)),
                None => warn!(path, "the position that was kept cannot be read, and is not used"),
            }
        }
        Ok(kept)
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
