//! [`FileReceipt`]: where the rows of a delivery stand.

use std::sync::Arc;

use kisflow_core::Receipt;

use crate::frame::Places;

/// The receipt of rows of a file.
pub(super) struct FileReceipt {
    pub(super) path: Arc<str>,
    /// Which of the files it is that were at the path, from 1.
    pub(super) generation: u64,
    pub(super) places: Places,
}

impl Receipt for FileReceipt {
    fn position(&self, row: usize) -> String {
        format!("{}:{}", self.path, self.places.offset(row))
    }

    fn generation(&self) -> String {
        // The first file needs nothing that tells it apart.
        if self.generation > 1 { self.generation.to_string() } else { String::new() }
    }
}
