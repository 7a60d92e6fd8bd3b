//! [`Redb`]: a file that is open for this process alone.

use std::{fmt, path::PathBuf, sync::Arc};

use kisflow_core::{AsDurable, AsStorage, ConnConf, Connector, Result, error_chain};
use redb::{Error, ReadTransaction};
use tokio::task::spawn_blocking;

use crate::{durable, error::RedbError, file::StoreFile, params::RedbParams, writer::Writer};

/// The path where a conf names none.
const DEFAULT_PATH: &str = "kisflow.redb";

/// `type: redb`: one file, which keeps entries that outlive the process, and records.
///
/// Reads see the last finished write and do not wait for the one under way. The file is closed when
/// the last clone is dropped, and whatever it was still doing is done; that may take as long as one
/// sync of the disk, in which it blocks.
#[derive(Clone)]
pub struct Redb {
    file: Arc<StoreFile>,
    pub(crate) writer: Arc<Writer>,
}

impl Redb {
    async fn open(addrs: &str, params: &RedbParams) -> Result<Self, RedbError> {
        let cache_bytes = params.cache_bytes()?;
        let path = PathBuf::from(if addrs.is_empty() { DEFAULT_PATH } else { addrs });
        let opening = spawn_blocking({
            let path = path.clone();
            move || StoreFile::open(&path, cache_bytes)
        });
        let file = opening.await.map_err(|cause| RedbError::stopped(&path, cause))??;
        let file = Arc::new(file);
        let writer = Arc::new(Writer::new(file.clone()));
        Ok(Self { file, writer })
    }

    /// Reads, where blocking does no harm.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        work: impl Fn(&ReadTransaction) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, RedbError> {
        let file = self.file.clone();
        let looking = spawn_blocking(move || file.read(work));
        looking.await.map_err(|cause| RedbError::stopped(self.file.path(), cause))?
    }
}

impl Connector for Redb {
    const TYPE: &'static str = "redb";
    type Params = RedbParams;

    fn check(_: &ConnConf, params: &RedbParams) -> Vec<(String, String)> {
        let wrong = |error| ("params.cache_mb".to_owned(), error_chain(&error).to_string());
        params.cache_bytes().err().map(wrong).into_iter().collect()
    }

    /// # Errors
    ///
    /// When the file cannot be opened or made: its directory cannot be made, it may not be written,
    /// another process or connector has it open, it is no file of redb or is damaged, the disk is
    /// full. The error is a [`RedbError`] that names the file.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped the file may still be made, and is closed at once.
    async fn connect(conf: &ConnConf, params: RedbParams) -> Result<Self> {
        Ok(Self::open(&conf.addrs, &params).await?)
    }

    fn storage() -> Option<AsStorage<Self>> {
        Some(|redb| redb)
    }

    fn durable() -> Option<AsDurable<Self>> {
        Some(|redb| Arc::new(redb.clone()))
    }

    fn embedded() -> Option<ConnConf> {
        Some(ConnConf::new("kisflow", Self::TYPE).addrs(DEFAULT_PATH))
    }

    /// Reads a page of the file.
    async fn ping(&self) -> Result<()> {
        Ok(self.look(durable::ping).await?)
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Redb").field("path", &self.file.path()).finish_non_exhaustive()
    }
}
