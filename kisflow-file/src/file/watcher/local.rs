//! [`reports_changes`]: whether the operating system reports every change of a folder's files.

use std::path::Path;

/// Whether the folder is on a file system whose files change by this machine alone, so that
/// inotify reports each change but those through `mmap`.
///
/// Network file systems, FUSE, `/proc` and those that are unknown here report some changes or
/// none, see `inotify(7)`. An overlay is left out: its files change their inode when they are first
/// written to.
#[cfg(target_os = "linux")]
pub(super) fn reports_changes(folder: &Path) -> bool {
    /// ext2 to ext4, XFS, Btrfs, tmpfs, F2FS, bcachefs, ZFS; the numbers are those of `statfs(2)`,
    /// of the kernel's `magic.h`, and of OpenZFS' `zfs_vfsops_os.c`.
    const LOCAL: [u32; 7] =
        [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0xF2F5_2010, 0xCA45_1A4E, 0x2FC1_2FC1];
    // The type of the number differs between machines; its 32 bits are what counts.
    rustix::fs::statfs(folder).is_ok_and(|found| LOCAL.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn reports_changes(_folder: &Path) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn proc_and_what_is_not_there_report_no_changes() {
        assert!(!reports_changes(Path::new("/proc")));
        assert!(!reports_changes(Path::new("/proc/none")));
    }

    #[test]
    fn shared_memory_reports_changes() {
        assert!(reports_changes(Path::new("/dev/shm")));
    }
}
