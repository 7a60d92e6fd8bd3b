//! A source that reads a directory: each file is one row, in the order of their names.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use kisflow::{Delivery, Receipt, Result, Source, SourceContext, prelude::*};
use kisflow_core::{
    conformance::{self, Kept, Lease, SourceWorld, World},
    durable::MemoryStore,
};
use tempfile::TempDir;
use tokio::time::sleep;

// region: source
/// `type: inbox`: each file of the directory `key` is a row, in the order of their names; files that
/// are renamed into it later are read as they come.
struct Inbox {
    dir: PathBuf,
    rows: usize,
    poll: Duration,
    /// The name of the last file that was handed out.
    last: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct InboxParams {
    #[serde(rename = "poll_ms", with = "kisflow::millis")]
    poll: Duration,
}

impl Default for InboxParams {
    fn default() -> Self {
        Self { poll: Duration::from_millis(100) }
    }
}

#[async_trait]
impl Source for Inbox {
    const TYPE: &'static str = "inbox";
    type Params = InboxParams;

    fn check(conf: &SourceConf, params: &InboxParams) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if conf.key.is_empty() {
            problems.push(("key".to_owned(), "this key is required: the directory".to_owned()));
        }
        if params.poll.is_zero() {
            problems.push(("params.poll_ms".to_owned(), "must be at least 1ms".to_owned()));
        }
        problems
    }

    async fn open(conf: &SourceConf, params: InboxParams, context: SourceContext) -> Result<Self> {
        let kept = context.positions().load("last").await?;
        let last = kept.map(|kept| String::from_utf8_lossy(&kept).into_owned());
        Ok(Self {
            dir: PathBuf::from(&conf.key),
            rows: usize::try_from(conf.batch.rows)?,
            poll: params.poll,
            last: last.unwrap_or_default(),
        })
    }

    async fn next(&mut self) -> Result<Option<Delivery>> {
        loop {
            let names = self.names()?;
            if let Some(last) = names.last() {
                let rows: Result<Vec<String>> = names.iter().map(|name| self.read(name)).collect();
                let batch = Batch::json(rows?);
                // What fails before here, or is dropped while it waits below, has taken nothing.
                self.last = last.clone();
                // Kept when these rows and all before them are done.
                let last = last.clone();
                return Ok(Some(Delivery::new(batch, Files { names }).keep("last", last)));
            }
            sleep(self.poll).await;
        }
    }
}

impl Inbox {
    /// The next names, behind the last one.
    fn names(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let unread = |error| format!("cannot list {}: {error}", self.dir.display());
        for entry in fs::read_dir(&self.dir).map_err(unread)? {
            let name = entry.map_err(unread)?.file_name().to_string_lossy().into_owned();
            if name > self.last {
                names.push(name);
            }
        }
        names.sort();
        names.truncate(self.rows);
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<String> {
        let path = self.dir.join(name);
        let read = fs::read_to_string(&path);
        read.map_err(|error| format!("cannot read {}: {error}", path.display()).into())
    }
}

/// What a delivery was made of.
struct Files {
    names: Vec<String>,
}

impl Receipt for Files {
    fn position(&self, row: usize) -> String {
        self.names.get(row).cloned().unwrap_or_default()
    }
}
// endregion

/// A directory, and where positions in it are kept.
struct Directory {
    dir: TempDir,
    /// Where files are written before they are renamed into it, whole.
    staging: TempDir,
    entries: Arc<MemoryStore>,
}

// region: conformance
struct Directories;

#[async_trait]
impl SourceWorld for Directories {
    type World = Directory;
    const SHARES: bool = false;

    async fn create(&self) -> Directory {
        let [dir, staging] = [(); 2].map(|()| TempDir::new().unwrap());
        Directory { dir, staging, entries: Arc::default() }
    }
}

#[async_trait]
impl World for Directory {
    type Source = Kept<Inbox>;

    async fn open(&self, _: Lease) -> Kept<Inbox> {
        let conf = SourceConf::new("orders", Inbox::TYPE).key(self.dir.path().to_string_lossy());
        let context = SourceContext::new("flow", "orders", self.entries.clone());
        Kept::open(
            &conf.batch(10, Duration::from_millis(20)),
            InboxParams { poll: Duration::from_millis(1) },
            context,
        )
        .await
        .unwrap()
    }

    async fn feed(&self, rows: Vec<String>) {
        let known = fs::read_dir(self.dir.path()).unwrap().count();
        for (number, row) in (known..).zip(rows) {
            let name = format!("{number:06}.json");
            fs::write(self.staging.path().join(&name), row).unwrap();
            fs::rename(self.staging.path().join(&name), self.dir.path().join(&name)).unwrap();
        }
    }

    async fn disconnect(&self) {}
}

#[tokio::test]
async fn an_inbox_keeps_the_rules_of_a_source() {
    conformance::source(&Directories).await;
}
// endregion
