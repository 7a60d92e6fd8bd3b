//! Whether the reports of the operating system are enough to follow a file.

use std::fs::{self, Metadata};

use super::{chain::Chain, neighbors::folder};

impl Chain {
    /// Whether only a change that is reported for its path can be news.
    pub(super) fn expects_only_reports(&self) -> bool {
        let state = self.state();
        let Some(file) = state.files.front() else { return false };
        let Ok(there) = file.content.file.metadata() else { return false };
        // With a stamp the last look found the file as the one before had.
        state.stamp.is_some()
            && state.files.len() == 1
            && state.left.is_empty()
            // A write through another name is reported in the folder of that name.
            && links(&there) == 1
            && !self.is_mounted(&there)
    }

    /// Whether the file alone is mounted at its path: a write is then reported where it comes from.
    fn is_mounted(&self, there: &Metadata) -> bool {
        let folder = fs::canonicalize(self.path()).and_then(|path| fs::metadata(folder(&path)));
        folder.map_or(true, |folder| device(&folder) != device(there))
    }
}

/// How many names a file has: none if it is deleted.
#[cfg(unix)]
pub(super) fn links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
pub(super) fn links(_: &Metadata) -> u64 {
    1
}

#[cfg(unix)]
fn device(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(metadata)
}

#[cfg(not(unix))]
fn device(_: &Metadata) -> u64 {
    0
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::file::{
        chain::Stamp,
        disk::{Content, Identity, modified},
        tracked::Tracked,
    };

    #[test]
    fn a_file_with_another_name_is_not_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders");
        fs::write(&path, "{}\n").unwrap();
        let chain = Chain::new(path.to_str().unwrap(), Arc::new(|_| false), Arc::default());
        let content = Content::open(&path).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        chain.begin(vec![Tracked::new(content, &metadata).unwrap()]);
        assert!(!chain.expects_only_reports(), "it was not looked at");
        let (length, modified) = (metadata.len(), modified(&metadata));
        chain.state().stamp = Some(Stamp { identity: Identity::of(&metadata), length, modified });
        assert!(chain.expects_only_reports());
        fs::hard_link(&path, folder.path().join("other")).unwrap();
        assert!(!chain.expects_only_reports());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_of_another_device_than_its_folder_is_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders");
        fs::write(&path, "{}\n").unwrap();
        let chain = Chain::new(path.to_str().unwrap(), Arc::new(|_| false), Arc::default());
        assert!(!chain.is_mounted(&fs::metadata(&path).unwrap()));
        assert!(chain.is_mounted(&fs::metadata("/proc/self/stat").unwrap()));
    }
}
