//! [`Redb`]: a file that is open in this process, or in another that lets this one in.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kisflow_core::{
    AsDurable, AsStorage, ConnConf, Connector, Private, Result, ScratchDir, StartPrivate,
    async_trait, error_chain,
};
use tokio::task::spawn_blocking;

use crate::{
    durable::Committed,
    error::RedbError,
    file::StoreFile,
    params::RedbParams,
    request::{Look, Request, Response},
    socket::{Client, Listening},
    worker::Worker,
    writer::{Work, Writer},
};

/// How long to wait for a file that is open elsewhere: a command has it open for a moment.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// The path if the conf has none.
const DEFAULT_PATH: &str = "kisflow.redb";

/// `type: redb`: one file with durable entries and records.
///
/// Reads see the last finished write and do not wait for one in progress. The file is closed when
/// the last clone is dropped, after its pending work; the drop may block for one sync of the disk.
///
/// While it is open, commands of the same user reach it through `FILE.sock`; see the [crate].
#[derive(Clone)]
pub struct Redb {
    inner: Inner,
}

#[derive(Clone)]
enum Inner {
    Open {
        /// Dropped first: no command is let in while the file closes.
        _listening: Arc<Option<Listening>>,
        file: Arc<StoreFile>,
        writer: Arc<Writer>,
        reader: Arc<Worker>,
    },
    /// Another process has it open.
    Shared(Arc<Client>),
}

impl Redb {
    /// Opens the file, and waits a moment for one that is open already. Meanwhile it tries `or`,
    /// which fails with [`RedbError::is_in_use`] if that is no way in either.
    async fn open_or<F: Future<Output = Result<Self, RedbError>>>(
        addrs: &str,
        params: &RedbParams,
        or: impl Fn(RedbError) -> F,
    ) -> Result<Self, RedbError> {
        let end = Instant::now() + PATIENCE;
        loop {
            let opened = match Self::open(addrs, params).await {
                Err(error) if error.is_in_use() => or(error).await,
                opened => opened,
            };
            match opened {
                Err(error) if error.is_in_use() && Instant::now() < end => {
                    // Works on any runtime, also one without a timer.
                    spawn_blocking(|| thread::sleep(PAUSE)).await.ok();
                }
                opened => return opened,
            }
        }
    }

    async fn open(addrs: &str, params: &RedbParams) -> Result<Self, RedbError> {
        let cache_bytes = params.cache_bytes()?;
        let path = path(addrs);
        let opening = spawn_blocking({
            let path = path.clone();
            move || {
                let file = Arc::new(StoreFile::open(&path, cache_bytes)?);
                let listening = Arc::new(Listening::begin(&file));
                let start =
                    |name| Worker::start(name).map_err(|cause| RedbError::stopped(&path, cause));
                let writer = Arc::new(Writer::new(file.clone(), start("kisflow-redb-write")?));
                let reader = Arc::new(start("kisflow-redb-read")?);
                Ok(Self { inner: Inner::Open { _listening: listening, file, writer, reader } })
            }
        });
        opening.await.map_err(|cause| RedbError::stopped(&path, cause))?
    }

    /// Reaches a file that another process has open.
    async fn share(addrs: &str) -> Result<Self, RedbError> {
        let client = Client::new(path(addrs));
        let shared = Self { inner: Inner::Shared(Arc::new(client)) };
        shared.look(Look::Ping).await?;
        Ok(shared)
    }

    /// Reads, on a thread that may block.
    pub(crate) async fn look(&self, look: Look) -> Result<Response, RedbError> {
        match &self.inner {
            Inner::Open { file, reader, .. } => {
                let file = file.clone();
                let looking = reader.run(move || {
                    let answer = look.answer(&file);
                    // A caller with its answer may close the file, and open it at once.
                    drop(file);
                    answer
                });
                looking.await.map_err(|cause| RedbError::stopped(self.path(), cause))?
            }
            Inner::Shared(client) => {
                let client = client.clone();
                let looking = spawn_blocking(move || client.ask(&Request::Look(look)));
                looking.await.map_err(|cause| RedbError::stopped(self.path(), cause))?
            }
        }
    }

    /// Writes, and returns when it is on the disk.
    pub(crate) async fn write(&self, work: Work) -> Result<Vec<Committed>, RedbError> {
        match &self.inner {
            Inner::Open { writer, .. } => writer.write(work).await,
            Inner::Shared(client) => {
                let client = client.clone();
                let writing = spawn_blocking(move || client.ask(&Request::Write(work)));
                let written = writing.await;
                match written.map_err(|cause| RedbError::stopped(self.path(), cause))?? {
                    Response::Committed(results) => Ok(results),
                    _ => Err(self.unfit()),
                }
            }
        }
    }

    /// Whether this process has the file open, rather than another one through which it is reached.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.inner, Inner::Open { .. })
    }

    /// The error of an answer that does not fit the request.
    pub(crate) fn unfit(&self) -> RedbError {
        RedbError::unfit(self.path())
    }

    fn path(&self) -> &std::path::Path {
        match &self.inner {
            Inner::Open { file, .. } => file.path(),
            Inner::Shared(client) => client.path(),
        }
    }
}

fn path(addrs: &str) -> PathBuf {
    PathBuf::from(if addrs.is_empty() { DEFAULT_PATH } else { addrs })
}

#[async_trait]
impl Connector for Redb {
    const TYPE: &'static str = "redb";
    type Params = RedbParams;

    fn check(_: &ConnConf, params: &RedbParams) -> Vec<(String, String)> {
        let wrong = |error| ("params.cache_mb".to_owned(), error_chain(&error).to_string());
        params.cache_bytes().err().map(wrong).into_iter().collect()
    }

    /// # Errors
    ///
    /// When the file cannot be opened or created: its directory cannot be created, it may not be
    /// written, another process or connector has it open (for more than a second), it is not a file
    /// of redb or is damaged, the disk is full. The error is a [`RedbError`] that names the file.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the file may still be created, and is closed at once.
    async fn connect(conf: &ConnConf, params: RedbParams) -> Result<Self> {
        Ok(Self::open_or(&conf.addrs, &params, |error| std::future::ready(Err(error))).await?)
    }

    /// Opens the file, or, while another process has it open, reaches it through that process.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), if no process listens beside the file. When the process that
    /// has it open refuses this user, or has another version.
    ///
    /// # Cancel safety
    ///
    /// As [`connect`](Self::connect).
    async fn attach(conf: &ConnConf, params: RedbParams) -> Result<Self> {
        Ok(Self::open_or(&conf.addrs, &params, |_| Self::share(&conf.addrs)).await?)
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

    /// Starts with a new file below the system's directory for temporary files, removed on drop.
    ///
    /// # Errors
    ///
    /// When the directory or the file cannot be created.
    fn private() -> Option<StartPrivate<Self>> {
        Some(|_, params| {
            Box::pin(async move {
                let dir = ScratchDir::new()
                    .map_err(|error| format!("there is no place for a private store: {error}"))?;
                let file = dir.path().join("kisflow.redb");
                Ok(Private::new(Self::open(&file.to_string_lossy(), &params).await?, dir))
            })
        })
    }

    /// Reads a page of the file.
    async fn ping(&self) -> Result<()> {
        self.look(Look::Ping).await?;
        Ok(())
    }
}

impl fmt::Debug for Redb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redb")
            .field("path", &self.path())
            .field("is_shared", &!self.is_open())
            .finish_non_exhaustive()
    }
}
