//! Paths that are too long for the address of a socket.

use std::{fs::File, io, path::Path};

/// The longest path that every Unix takes for a socket.
const LONGEST: usize = 100;

/// Uses the path of a socket. On Linux a path that is too long is reached through its directory;
/// elsewhere the system refuses it.
pub(super) fn with<T>(path: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().len() <= LONGEST || !cfg!(target_os = "linux") {
        return work(path);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or(Path::new(".")))?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    work(&Path::new(&format!("/proc/self/fd/{}", raw(&directory))).join(name))
}

fn raw(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}
