//! [`RedbError`]: why the file could not be opened, read or written.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why the file could not be opened, read or written.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("kisflow.redb");
/// # let path = path.to_str().unwrap();
/// use kisflow_core::{ConnConf, Connector};
/// use kisflow_redb::{Redb, RedbError, RedbParams};
///
/// let conf = ConnConf::new("kisflow", "redb").addrs(path);
/// let first = Redb::connect(&conf, RedbParams::default()).await?;
/// let second = Redb::connect(&conf, RedbParams::default()).await.unwrap_err();
/// assert!(second.downcast_ref::<RedbError>().is_some_and(RedbError::is_in_use));
/// # Ok::<(), kisflow_core::BoxError>(())
/// # }).unwrap();
/// ```
// Shared: the writes of one transaction fail for one reason.
#[derive(Clone, Debug)]
pub struct RedbError {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    kind: Kind,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, PartialEq)]
enum Kind {
    Conf(&'static str),
    /// The value of a key.
    TooLarge(String),
    /// The directory of the file is missing and cannot be created.
    Directory,
    /// The path is a directory itself.
    IsDirectory,
    Denied,
    InUse,
    /// Another process has it open, and lets no command in.
    Shut,
    /// Another process has it open, and refuses this user.
    NotLetIn,
    /// Another process has it open, and does not answer.
    Silent,
    /// The process that has it open refused the request, with this reason.
    Refused(String),
    /// The answer of the process that has it open does not fit the request.
    Unfit,
    /// The file has other content.
    Foreign,
    /// The file's tables, or the file, have another format.
    Format,
    Damaged,
    Full,
    /// Any other error of the system or of redb.
    Failed,
    /// The work ended without an answer.
    Stopped,
}

impl RedbError {
    pub(crate) fn conf(message: &'static str) -> Self {
        Self::of(Path::new(""), Kind::Conf(message), None)
    }

    /// The directory of `path` could not be created.
    pub(crate) fn directory(path: &Path, cause: io::Error) -> Self {
        Self::of(path, Kind::Directory, Some(cause.into()))
    }

    pub(crate) fn redb(path: &Path, cause: redb::Error) -> Self {
        let kind = match &cause {
            redb::Error::Io(error) => Kind::of_io(error),
            redb::Error::DatabaseAlreadyOpen => Kind::InUse,
            redb::Error::Corrupted(_) | redb::Error::RepairAborted => Kind::Damaged,
            redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::UpgradeRequired(_) => Kind::Format,
            _ => Kind::Failed,
        };
        Self::of(path, kind, Some(cause.into()))
    }

    /// The process that has the file open cannot be reached.
    pub(crate) fn shut(path: &Path, cause: Option<io::Error>) -> Self {
        let kind = match cause.as_ref().map(io::Error::kind) {
            Some(ErrorKind::PermissionDenied) => Kind::NotLetIn,
            None | Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Kind::Shut,
            Some(_) => Kind::Silent,
        };
        Self::of(path, kind, cause.map(Into::into))
    }

    pub(crate) fn silent(path: &Path, cause: io::Error) -> Self {
        Self::of(path, Kind::Silent, Some(cause.into()))
    }

    pub(crate) fn refused(path: &Path, why: &str) -> Self {
        Self::of(path, Kind::Refused(why.to_owned()), None)
    }

    pub(crate) fn unfit(path: &Path) -> Self {
        Self::of(path, Kind::Unfit, None)
    }

    pub(crate) fn too_large(path: &Path, key: &str) -> Self {
        Self::of(path, Kind::TooLarge(key.to_owned()), None)
    }

    /// The blocking work panicked, or the runtime ended before.
    pub(crate) fn stopped(path: &Path, cause: impl Error + Send + Sync + 'static) -> Self {
        Self::of(path, Kind::Stopped, Some(cause.into()))
    }

    fn of(path: &Path, kind: Kind, cause: Option<Box<dyn Error + Send + Sync>>) -> Self {
        Self { inner: Arc::new(Inner { path: path.to_owned(), kind, cause }) }
    }

    /// Returns `true` if the conf of the connector is at fault; no file was opened.
    #[must_use]
    pub fn is_conf(&self) -> bool {
        matches!(self.inner.kind, Kind::Conf(_))
    }

    /// Returns `true` if the file is open already: in another process, or by another connector of
    /// this one.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self.inner.kind, Kind::InUse | Kind::Shut)
    }

    /// Returns `true` if there is no room: the disk is full, or a quota or a limit of the file's
    /// size is reached. Nothing was changed.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inner.kind == Kind::Full
    }

    /// Returns `true` if the file is not one of this connector, or is damaged.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self.inner.kind, Kind::Foreign | Kind::Format | Kind::Damaged)
    }

    /// Returns the file, unless the conf is at fault.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        (!self.is_conf()).then_some(&*self.inner.path)
    }
}

impl Kind {
    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied,
            ErrorKind::IsADirectory => Self::IsDirectory,
            // redb's error for a file that does not begin like its own files.
            ErrorKind::InvalidData => Self::Foreign,
            ErrorKind::UnexpectedEof => Self::Damaged,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for RedbError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.inner.path.display();
        match &self.inner.kind {
            Kind::Conf(message) => formatter.write_str(message),
            Kind::TooLarge(key) => {
                write!(formatter, "{path}: the value of key {key} is larger than 1 GiB")
            }
            Kind::Directory => write!(
                formatter,
                "the directory of {path} cannot be made; make it, or give `addrs` another path"
            ),
            Kind::IsDirectory => write!(
                formatter,
                "{path} is a directory; let `addrs` name a file, such as {}",
                self.inner.path.join("kisflow.redb").display()
            ),
            Kind::Denied => write!(
                formatter,
                "{path} may not be written; give this user the right to, or give `addrs` another path"
            ),
            Kind::InUse => write!(
                formatter,
                "{path} is open already, in another process or by another connector of this one; stop that process, give each a file of its own, or keep quarantine on redis, which several processes can read at once"
            ),
            Kind::Shut if cfg!(unix) => write!(
                formatter,
                "{path} is open already, in another process that lets no command in at {path}.sock; stop that process, or run the command again if it has ended"
            ),
            Kind::Shut => write!(
                formatter,
                "{path} is open already, in another process, and this system has no sockets to let a command in; stop that process, or keep quarantine on redis, which several processes can read at once"
            ),
            Kind::NotLetIn => write!(
                formatter,
                "{path} is open in another process, whose socket {path}.sock this user may not use; run the command as the user of that process"
            ),
            Kind::Silent => write!(
                formatter,
                "{path} is open in another process, which gives no answer at {path}.sock"
            ),
            Kind::Refused(why) => {
                write!(formatter, "the process that has {path} open says: {why}")
            }
            Kind::Unfit => write!(
                formatter,
                "the process that has {path} open gives an answer to something else"
            ),
            Kind::Foreign => write!(
                formatter,
                "{path} is no file of this connector, and was left as it is; give `addrs` another path"
            ),
            Kind::Format => write!(
                formatter,
                "{path} was written by another version of kisflow, or by another program, and was left as it is; move it away to begin with an empty one, or give `addrs` another path"
            ),
            Kind::Damaged => write!(
                formatter,
                "{path} is damaged; restore it, or move it away to begin with an empty one"
            ),
            Kind::Full => write!(
                formatter,
                "no room to write {path}: the disk is full, or a limit is reached; nothing was changed, and writes go on once there is room"
            ),
            Kind::Failed => write!(formatter, "{path} could not be read or written"),
            Kind::Stopped => {
                write!(
                    formatter,
                    "{path}: the work ended without an answer, and may be done or not"
                )
            }
        }
    }
}

impl Error for RedbError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner.cause.as_deref().map(|cause| cause as _)
    }
}
