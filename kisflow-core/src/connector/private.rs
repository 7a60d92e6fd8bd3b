//! [`Private`]: an engine that is started for one test and stopped after it; and [`ScratchDir`].

use std::{
    any::Any,
    env, fmt, fs, io,
    ops::Deref,
    path::{Path, PathBuf},
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Connector, ErasedConnector, Storage};
use crate::{
    caas::BoxFuture,
    conf::ConnConf,
    durable::Durable,
    error::Result,
    link::{Misfit, connector_params},
};

/// Starts an engine for one test of a [`Connector`]. `key` and the `params` of its conf apply,
/// except those for where the engine is.
pub type StartPrivate<C> =
    for<'a> fn(&'a ConnConf, <C as Connector>::Params) -> BoxFuture<'a, Result<Private<C>>>;

/// A connector to an engine that nothing else uses, started for one test. Dropping it stops the
/// engine and removes what it kept.
///
/// `test: {redis: private}` in the conf of a connector asks for one; so does a test in Rust:
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use kisflow_core::{Conn, ConnConf, Memory, Private, Record, Result, Storage};
///
/// async fn count(ids: &[String], memory: Conn<'_, Memory>) -> Result<usize> {
///     Ok(memory.get(ids).await?.iter().flatten().count())
/// }
///
/// let memory = Private::<Memory>::start(&ConnConf::new("Scores", "memory")).await?;
/// let fields = vec![("score".into(), Some("9.5".to_owned()))];
/// memory.put(vec![Record::new("7", fields)]).await?;
/// assert_eq!(count(&["7".to_owned(), "8".to_owned()], Conn::of(&memory)).await?, 1);
/// # Ok::<(), kisflow_core::BoxError>(())
/// # }).unwrap();
/// ```
pub struct Private<C> {
    // Fields are dropped in their order: the connection closes before its engine stops.
    connector: C,
    _engine: Box<dyn Any + Send + Sync>,
}

impl<C: Connector> Private<C> {
    /// Starts an engine and connects to it.
    ///
    /// # Errors
    ///
    /// When connectors of this type have no private engine, the params do not fit, or the engine
    /// cannot start; the error says what to install if a program is missing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the engine if it was started.
    pub async fn start(conf: &ConnConf) -> Result<Self> {
        let Some(start) = C::private() else {
            return Err(no_private(C::TYPE).into());
        };
        start(conf, connector_params::<C::Params>(conf).map_err(told)?).await
    }

    /// Creates the result of [`Connector::private`]: a connection, and a value that stops its
    /// engine on drop.
    #[must_use]
    pub fn new(connector: C, engine: impl Any + Send + Sync) -> Self {
        Self { connector, _engine: Box::new(engine) }
    }
}

impl<C> Deref for Private<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connector
    }
}

impl<C> fmt::Debug for Private<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Private").finish_non_exhaustive()
    }
}

impl<C: Connector> ErasedConnector for Private<C> {
    fn as_any(&self) -> &dyn Any {
        &self.connector
    }

    fn storage(&self) -> Option<&dyn Storage> {
        ErasedConnector::storage(&self.connector)
    }

    fn durable(&self) -> Option<Arc<dyn Durable>> {
        ErasedConnector::durable(&self.connector)
    }

    fn ping(&self) -> BoxFuture<'_, Result<()>> {
        ErasedConnector::ping(&self.connector)
    }
}

/// The error that a type of connector has no private engine.
pub(crate) fn no_private(engine: &str) -> String {
    format!("connectors of `type: {engine}` start no private engine for a test")
}

/// What does not fit, in one line.
pub(super) fn told(problems: Vec<Misfit>) -> String {
    let lines = problems.into_iter().map(|(path, message)| format!("{path}: {message}"));
    lines.collect::<Vec<_>>().join("; ")
}

/// A new directory below the system's directory for temporary files, removed on drop, for the files
/// of a [`Private`] engine.
#[derive(Debug)]
pub struct ScratchDir {
    path: PathBuf,
}

impl ScratchDir {
    /// Makes a directory that only this user may read.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let base = env::temp_dir();
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("kisflow-{}-{count}", process::id()));
            match make(&path) {
                Ok(()) => return Ok(Self { path }),
                // Left by a process of the same id that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // A failure cannot be reported here, and the system empties that directory.
        drop(fs::remove_dir_all(&self.path));
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_directory_is_new_and_goes_with_what_is_in_it() {
        let (one, other) = (ScratchDir::new().unwrap(), ScratchDir::new().unwrap());
        assert_ne!(one.path(), other.path());
        fs::write(one.path().join("file"), "text").unwrap();
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
        assert!(other.path().is_dir());
    }
}
