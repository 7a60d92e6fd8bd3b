//! [`Sink`]: a file of rows that is there when it is whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::failure::Failure;

/// Takes rows as NDJSON. A file has the ending `.part` until it is whole, so that nobody takes half
/// of one for all of it; a device or a pipe is written as it is.
pub(super) struct Sink {
    path: PathBuf,
    to: To,
}

enum To {
    Stdout,
    Special(File),
    Part { file: File, part: PathBuf },
}

impl Sink {
    /// # Errors
    ///
    /// When the file cannot be made.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::io(format!("cannot write {}", path.display()), &error);
        if path == Path::new("-") {
            return Ok(Self { path: path.to_owned(), to: To::Stdout });
        }
        // A link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            let file = File::options().write(true).open(&path).map_err(failed)?;
            return Ok(Self { path, to: To::Special(file) });
        }
        let mut part = OsString::from(&path);
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(failed)?;
        Ok(Self { path, to: To::Part { file, part } })
    }

    /// Writes whole lines.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), String> {
        let written = match &mut self.to {
            To::Stdout => io::stdout().write_all(lines),
            To::Special(file) | To::Part { file, .. } => file.write_all(lines),
        };
        written.map_err(|error| self.cannot(&error))
    }

    /// Writes values, one a line.
    ///
    /// # Errors
    ///
    /// When they cannot be written.
    pub(super) fn write_each(&mut self, values: &[impl Serialize]) -> Result<(), String> {
        let mut lines = Vec::new();
        for value in values {
            serde_json::to_writer(&mut lines, value).map_err(|error| error.to_string())?;
            lines.push(b'\n');
        }
        self.write(&lines)
    }

    /// The file is whole.
    ///
    /// # Errors
    ///
    /// When it does not reach the disk, or cannot have its name.
    pub(super) fn finish(self) -> Result<(), String> {
        let To::Part { file, part } = &self.to else { return Ok(()) };
        let finished = file.sync_all().and_then(|()| fs::rename(part, &self.path));
        finished.map_err(|error| self.cannot(&error))
    }

    fn cannot(&self, error: &io::Error) -> String {
        let path = self.path.display();
        match &self.to {
            To::Stdout if error.kind() == io::ErrorKind::BrokenPipe => {
                "nobody reads standard output any longer".to_owned()
            }
            To::Stdout => format!("cannot write to standard output: {error}"),
            To::Special(_) => format!("cannot write {path}: {error}"),
            To::Part { part, .. } => {
                let part = part.display();
                format!("cannot write {path}: {error} (what could be written is {part})")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (path, part) = (dir.path().join("a.ndjson"), dir.path().join("a.ndjson.part"));
        fs::write(&path, "old").unwrap();
        let mut sink = Sink::open(&path).unwrap();
        sink.write_each(&[1, 2]).unwrap();
        assert_eq!((read(&path), read(&part)), (Some("old".into()), Some("1\n2\n".into())));
        sink.finish().unwrap();
        assert_eq!((read(&path), read(&part)), (Some("1\n2\n".into()), None));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut sink = Sink::open(&link).unwrap();
        sink.write(b"new\n").unwrap();
        sink.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&path), Some("new\n".into()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_disk_that_is_full_is_told_with_the_name_of_the_file() {
        let mut sink = Sink::open(Path::new("/dev/full")).unwrap();
        assert_eq!(
            sink.write(b"1\n").unwrap_err(),
            "cannot write /dev/full: No space left on device (os error 28)"
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_at_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Sink::open(&dir.path().join("none/a.ndjson")).is_err());
    }
}
