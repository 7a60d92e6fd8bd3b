//! What the tests of this crate share: a store in memory, readers, rows as they stand.
#![allow(dead_code, reason = "some tests are not for every system")]

pub(crate) mod folder;

use std::{
    future::Future,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kisflow_core::{
    Delivery, Result, Settled, Source, SourceConf, SourceContext, conformance::Kept,
    durable::MemoryStore,
};
use kisflow_file::{File, FileParams};
use serde_json::Value;
use tokio::time::timeout;

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Waits for what comes soon, or fails.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(LONG, future).await.expect("nothing came")
}

/// A path in a folder of its own, and a store.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) store: Arc<MemoryStore>,
}

impl Place {
    /// A place for a file of this name, which is not there yet.
    pub(crate) fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        Self { folder, path, store: Arc::default() }
    }

    pub(crate) fn with(name: &str, text: impl AsRef<[u8]>) -> Self {
        let place = Self::new(name);
        place.append(text);
        place
    }

    pub(crate) fn append(&self, text: impl AsRef<[u8]>) {
        append(&self.path, text);
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// As a logger rotates: the file moves aside.
    pub(crate) fn rename(&self) -> PathBuf {
        let aside = self.path.with_extension("1");
        std::fs::rename(&self.path, &aside).unwrap();
        aside
    }

    pub(crate) fn conf(&self) -> SourceConf {
        SourceConf::new("lines", "file").key(self.path()).batch(10, Duration::from_millis(20))
    }

    pub(crate) async fn open(&self, params: Value) -> Result<Kept<File>> {
        self.open_as(&self.conf(), params).await
    }

    pub(crate) async fn open_as(&self, conf: &SourceConf, params: Value) -> Result<Kept<File>> {
        let params: FileParams = serde_json::from_value(params).unwrap();
        let context = SourceContext::new("flow", "lines", self.store.clone());
        soon(Kept::open(conf, params, context)).await
    }

    /// Follows the file, looking often.
    pub(crate) async fn follow(&self) -> Kept<File> {
        self.open(follow()).await.unwrap()
    }
}

pub(crate) fn follow() -> Value {
    serde_json::json!({"follow": true, "poll_ms": 5, "rotate_wait_ms": 50})
}

pub(crate) fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// The rows as they stand, also those that cannot be read.
pub(crate) fn rows_of(delivery: &Delivery) -> Vec<String> {
    let text = |row| {
        let row = delivery.batch().row_text(row);
        String::from_utf8_lossy(row.trim_ascii()).into_owned()
    };
    (0..delivery.batch().len()).map(text).collect()
}

pub(crate) async fn done(delivery: &Delivery) {
    let settled = Settled::new(delivery.batch().len(), 0);
    soon(delivery.receipt().done(&settled)).await.unwrap();
}

/// The next delivery; it is there, or comes soon.
pub(crate) async fn next<S: Source>(source: &mut S) -> Delivery {
    soon(source.next()).await.unwrap().expect("the source has ended")
}

/// So many rows, done.
pub(crate) async fn take<S: Source>(source: &mut S, rows: usize) -> Vec<String> {
    let mut taken = Vec::new();
    while taken.len() < rows {
        let delivery = next(source).await;
        taken.extend(rows_of(&delivery));
        done(&delivery).await;
    }
    taken
}

/// All rows, done, of a source that ends.
pub(crate) async fn rest<S: Source>(source: &mut S) -> Vec<String> {
    let mut taken = Vec::new();
    while let Some(delivery) = soon(source.next()).await.unwrap() {
        taken.extend(rows_of(&delivery));
        done(&delivery).await;
    }
    taken
}

/// Asserts that the source has nothing to hand out for so many of its looks at the file. (That
/// nothing comes can only be seen by waiting; a source that is slow passes.)
pub(crate) async fn silent<S: Source>(source: &mut S) {
    if let Ok(read) = timeout(Duration::from_millis(100), source.next()).await {
        panic!("{:?} came", read.unwrap().map(|delivery| rows_of(&delivery)));
    }
}

/// Runs a test of this program by itself: a `child`, which does what its mode says.
pub(crate) fn start_child(test: &str, mode: &str, argument: &str) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(MODE, mode).env(ARGUMENT, argument);
    command
}

const MODE: &str = "KISFLOW_FILE_TEST_MODE";
const ARGUMENT: &str = "KISFLOW_FILE_TEST_ARGUMENT";

/// What this process is to do, if it is such a child.
pub(crate) fn mode() -> Option<(String, String)> {
    Some((std::env::var(MODE).ok()?, std::env::var(ARGUMENT).ok()?))
}

/// What a child has found out.
pub(crate) fn tell(result: impl std::fmt::Display) {
    println!("\nresult: {result}");
}

/// What a child told; it has ended well.
pub(crate) fn told(output: &std::process::Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("result: "));
    match line {
        Some(line) if output.status.success() => line.to_owned(),
        _ => panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}
