//! A folder in which files change as loggers, rotations and people change them.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use kisflow_core::{
    Delivery, Source, SourceConf, SourceContext, Start, conformance::Kept, durable::MemoryStore,
};
use kisflow_file::{File as FileSource, FileParams};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{LONG, done, rows_of, soon};

/// A folder, what was written there, and the store of who reads it.
pub(crate) struct Folder {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) key: String,
    pub(crate) params: Value,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) context: SourceContext,
    /// The ids of rows in the order in which they were written.
    pub(crate) written: Vec<u64>,
    /// Those that came, in the order in which they came first.
    pub(crate) seen: Vec<u64>,
    seen_once: BTreeSet<u64>,
    /// How many rows came, each time counted.
    pub(crate) rows: usize,
}

impl Folder {
    pub(crate) fn new(key: &str) -> Self {
        let store = Arc::new(MemoryStore::default());
        let params = json!({"follow": true, "poll_ms": 5, "rotate_wait_ms": 60});
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: key.to_owned(),
            params,
            context: SourceContext::new("flow", "lines", store.clone()),
            store,
            written: Vec::new(),
            seen: Vec::new(),
            seen_once: BTreeSet::new(),
            rows: 0,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new process, with the same store.
    pub(crate) async fn open(&mut self, rows: u32) -> Kept<FileSource> {
        self.open_at(rows, Start::Earliest).await
    }

    /// The same, where files without a position begin there.
    pub(crate) async fn open_at(&mut self, rows: u32, start: Start) -> Kept<FileSource> {
        let key = self.path(&self.key);
        let conf = SourceConf::new("lines", "file").key(key.to_str().unwrap()).start(start);
        let conf = conf.batch(rows, Duration::ZERO);
        let params: FileParams = serde_json::from_value(self.params.clone()).unwrap();
        soon(Kept::open(&conf, params, self.context.clone())).await.unwrap()
    }

    /// A row, as long for each id.
    pub(crate) fn row(&self, id: u64) -> String {
        match self.key.contains(".csv") {
            true => format!("{id:08},x\n"),
            false => format!("{{\"id\":{id:8}}}\n"),
        }
    }

    /// The header of a CSV file: longer than most.
    pub(crate) fn header(&self) -> String {
        match self.key.contains(".csv") {
            true => format!("id,{}\n", "a_column_with_a_long_name".repeat(40)),
            false => String::new(),
        }
    }

    fn rows(&mut self, from: &str, to: &str) -> String {
        let ids = from.parse().unwrap()..to.parse::<u64>().unwrap();
        self.written.extend(ids.clone());
        ids.map(|id| self.row(id)).collect()
    }

    /// Does one thing.
    pub(crate) fn run(&mut self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        let at = |word: &str| self.path(word);
        match words[..] {
            ["append", file, from, to] => {
                let path = at(file);
                let header = if path.exists() { String::new() } else { self.header() };
                let rows = header + &self.rows(from, to);
                super::append(&path, rows);
            }
            // The inode stays.
            ["write", file, from, to] => {
                let path = at(file);
                let rows = self.header() + &self.rows(from, to);
                fs::write(path, rows).unwrap();
            }
            ["mv", from, to] => fs::rename(at(from), at(to)).unwrap(),
            ["cp", from, to] => drop(fs::copy(at(from), at(to)).unwrap()),
            ["ln", from, to] => fs::hard_link(at(from), at(to)).unwrap(),
            ["link", from, to] => {
                let _ = fs::remove_file(at(to));
                std::os::unix::fs::symlink(at(from), at(to)).unwrap();
            }
            ["rm", file] => fs::remove_file(at(file)).unwrap(),
            ["truncate", file] => File::create(at(file)).unwrap().set_len(0).unwrap(),
            ["hole", file, bytes] => {
                let file = File::options().write(true).open(at(file)).unwrap();
                file.set_len(bytes.parse().unwrap()).unwrap();
            }
            ["mkdir", folder] => fs::create_dir(at(folder)).unwrap(),
            // As gzip does: the time stays.
            ["gzip", file] => {
                let text = fs::read(at(file)).unwrap();
                let modified = fs::metadata(at(file)).unwrap().modified().unwrap();
                let packed = File::create(at(&format!("{file}.gz"))).unwrap();
                let mut encoder = GzEncoder::new(packed, Compression::fast());
                encoder.write_all(&text).unwrap();
                encoder.finish().unwrap().set_modified(modified).unwrap();
                fs::remove_file(at(file)).unwrap();
            }
            // A row that another process writes at an offset of its own.
            ["at", file, offset, from, to] => {
                let path = at(file);
                let rows = self.rows(from, to);
                let mut file = File::options().write(true).open(path).unwrap();
                file.seek(SeekFrom::Start(offset.parse().unwrap())).unwrap();
                file.write_all(rows.as_bytes()).unwrap();
            }
            _ => panic!("unknown: {command}"),
        }
    }

    pub(crate) fn take(&mut self, delivery: &Delivery) {
        rows_of(delivery).iter().for_each(|row| self.take_row(row));
    }

    pub(crate) fn take_row(&mut self, row: &str) {
        let row: Value = serde_json::from_str(row).unwrap_or_else(|_| panic!("no row: {row}"));
        let id = row["id"].as_u64().or_else(|| row["id"].as_str()?.parse().ok()).unwrap();
        self.rows += 1;
        if self.seen_once.insert(id) {
            self.seen.push(id);
        }
    }

    /// So many deliveries, done.
    pub(crate) async fn deliveries(&mut self, source: &mut Kept<FileSource>, count: usize) {
        for _ in 0..count {
            let delivery = super::next(source).await;
            self.take(&delivery);
            done(&delivery).await;
        }
    }

    /// Reads until all these rows have come.
    pub(crate) async fn until(
        &mut self,
        source: &mut Kept<FileSource>,
        expect: &BTreeSet<u64>,
        what: &str,
    ) {
        while !expect.is_subset(&self.seen_once) {
            let Ok(next) = timeout(LONG, source.next()).await else {
                let missing: Vec<_> = expect.difference(&self.seen_once).collect();
                panic!("{what}: {missing:?} did not come");
            };
            let delivery = next.unwrap().expect("the source has ended");
            self.take(&delivery);
            done(&delivery).await;
        }
    }

    /// Reads what is there by now.
    pub(crate) async fn some(&mut self, source: &mut Kept<FileSource>) {
        while let Ok(delivery) = timeout(Duration::from_millis(30), source.next()).await {
            let delivery = delivery.unwrap().expect("the source has ended");
            self.take(&delivery);
            done(&delivery).await;
        }
    }

    /// Reads to the end of a source that has one.
    pub(crate) async fn some_until_end(&mut self, source: &mut Kept<FileSource>) {
        while let Some(delivery) = soon(source.next()).await.unwrap() {
            self.take(&delivery);
            done(&delivery).await;
        }
    }

    /// Rows that were written and did not come.
    pub(crate) fn missing(&self) -> Vec<u64> {
        self.written.iter().filter(|id| !self.seen_once.contains(id)).copied().collect()
    }

    /// Waits until so many bytes are known to wait behind the rows that were handed out.
    pub(crate) async fn lags(&self, source: &mut Kept<FileSource>, bytes: u64, what: &str) {
        let mut last = None;
        let known = async {
            while last != Some(bytes) {
                last = source.lag_bytes().await.unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        if timeout(LONG, known).await.is_err() {
            panic!("{what}: {last:?} bytes wait, not {bytes}");
        }
    }
}
