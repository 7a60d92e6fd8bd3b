//! [`FileError`]: why a file or standard input cannot be read.

use std::{error::Error, fmt, io, sync::Arc};

use crate::unpack::Unpacking;

/// Why a file or standard input cannot be read. No error loses a row: once the cause is fixed,
/// reading continues where it was.
#[derive(Debug)]
pub struct FileError {
    path: Arc<str>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Conf(String),
    Missing,
    Directory,
    /// A pipe, a socket, a device.
    Special,
    Denied(io::Error),
    Io(io::Error),
    Utf16,
    /// What it is, and how to convert it.
    Packed(Unpacking),
    Header(String),
    Taken,
}

impl FileError {
    fn of(path: &Arc<str>, kind: Kind) -> Self {
        Self { path: path.clone(), kind }
    }

    pub(crate) fn conf(path: &Arc<str>, problems: Vec<(String, String)>) -> Self {
        let problems = problems.into_iter().map(|(key, problem)| format!("`{key}`: {problem}"));
        Self::of(path, Kind::Conf(problems.collect::<Vec<_>>().join("; ")))
    }

    pub(crate) fn io(path: &Arc<str>, cause: io::Error) -> Self {
        if let Some(packed) = cause.get_ref().and_then(|cause| cause.downcast_ref::<Unpacking>()) {
            return Self::of(path, Kind::Packed(packed.clone()));
        }
        Self::of(
            path,
            match cause.kind() {
                io::ErrorKind::NotFound => Kind::Missing,
                io::ErrorKind::IsADirectory => Kind::Directory,
                io::ErrorKind::PermissionDenied => Kind::Denied(cause),
                _ => Kind::Io(cause),
            },
        )
    }

    pub(crate) fn directory(path: &Arc<str>) -> Self {
        Self::of(path, Kind::Directory)
    }

    pub(crate) fn special(path: &Arc<str>) -> Self {
        Self::of(path, Kind::Special)
    }

    pub(crate) fn utf16(path: &Arc<str>) -> Self {
        Self::of(path, Kind::Utf16)
    }

    pub(crate) fn header(path: &Arc<str>, problem: impl Into<String>) -> Self {
        Self::of(path, Kind::Header(problem.into()))
    }

    pub(crate) fn taken(path: &Arc<str>) -> Self {
        Self::of(path, Kind::Taken)
    }

    /// Returns the file, as the conf names it; `stdin` for standard input.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns `true` if there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.kind, Kind::Missing)
    }

    /// Returns `true` if the content cannot be split into rows: UTF-16, an unusable CSV header,
    /// incomplete gzip, or another kind of archive.
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(self.kind, Kind::Utf16 | Kind::Header(_) | Kind::Packed(_))
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.kind {
            Kind::Conf(problems) => write!(formatter, "the conf of {path} is wrong: {problems}"),
            Kind::Missing => {
                write!(
                    formatter,
                    "there is no file {path}; mend `key`, or wait for it with `follow: true`"
                )
            }
            Kind::Directory => write!(formatter, "{path} is a directory; `key` names one file"),
            Kind::Special => {
                write!(formatter, "{path} is no regular file; read pipes with `type: stdin`")
            }
            Kind::Denied(_) => {
                write!(formatter, "{path} may not be read; give this process's user the right to")
            }
            Kind::Io(_) => write!(formatter, "{path} cannot be read"),
            Kind::Utf16 => {
                write!(
                    formatter,
                    "{path} is in UTF-16; convert it, as with `iconv -f UTF-16 -t UTF-8`"
                )
            }
            Kind::Packed(problem) => write!(formatter, "{path} {problem}"),
            Kind::Header(problem) => write!(formatter, "the header of {path} {problem}"),
            Kind::Taken => write!(
                formatter,
                "standard input is read already; only one flow can, and only once: give the others a file"
            ),
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Denied(cause) | Kind::Io(cause) => Some(cause),
            _ => None,
        }
    }
}
