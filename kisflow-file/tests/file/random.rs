//! Random appends, rotations, truncations and restarts, against a model: every row comes, or its
//! bytes are reported as lost.
#![cfg(unix)]

use std::collections::BTreeSet;

use crate::support::folder::Folder;
use fastrand::Rng;
use kisflow_core::conformance::Kept;
use kisflow_file::File;

/// How many rotated files are kept.
const KEPT: usize = 4;
const STEPS: usize = 60;

/// A file, its rotated ones, and who reads them.
struct Model {
    random: Rng,
    folder: Folder,
    source: Option<Kept<File>>,
    next: u64,
    seed: u64,
    log: Vec<String>,
    /// Rows that are gone, and how many bytes they had.
    gone: BTreeSet<u64>,
    lost: u64,
}

impl Model {
    fn run(&mut self, command: String) {
        self.folder.run(&command);
        self.log.push(command);
    }

    fn exists(&self, name: &str) -> bool {
        self.folder.path(name).exists()
    }

    fn append(&mut self) {
        let rows = self.random.u64(1..40);
        self.run(format!("append o.log {} {}", self.next, self.next + rows));
        self.next += rows;
    }

    /// Moves the rotated files on; one that would be too many stays.
    fn shift(&mut self) -> bool {
        if ["", ".gz"].iter().any(|end| self.exists(&format!("o.log.{KEPT}{end}"))) {
            return false;
        }
        for number in (1..KEPT).rev() {
            for end in ["", ".gz"] {
                if self.exists(&format!("o.log.{number}{end}")) {
                    self.run(format!("mv o.log.{number}{end} o.log.{}{end}", number + 1));
                }
            }
        }
        true
    }

    async fn step(&mut self) {
        match self.random.u8(0..12) {
            0..4 => self.append(),
            4 if self.exists("o.log") && self.shift() => self.run("mv o.log o.log.1".to_owned()),
            5 if self.exists("o.log") && self.shift() => {
                self.run("cp o.log o.log.1".to_owned());
                self.run("truncate o.log".to_owned());
            }
            6 => {
                let number = self.random.usize(1..=KEPT);
                if self.exists(&format!("o.log.{number}")) {
                    self.run(format!("gzip o.log.{number}"));
                }
            }
            7 | 8 => {
                self.log.push("restart".to_owned());
                self.source = None;
                self.source = Some(self.folder.open(7).await);
            }
            9 => {
                let first = self.folder.missing().into_iter().find(|id| !self.gone.contains(id));
                self.read(first.into_iter().collect()).await;
            }
            10 => self.read_all().await,
            11 => self.lose().await,
            _ => {}
        }
    }

    /// Rows that are truncated before they are read.
    async fn lose(&mut self) {
        self.append();
        self.read_all().await;
        let from = self.next;
        self.append();
        let rows = from..self.next;
        let bytes = (self.next - from) * self.folder.row(0).len() as u64;
        // What the reader knows of is reported exactly.
        let mut source = self.source().await;
        self.folder.lags(&mut source, bytes, &self.what()).await;
        self.source = Some(source);
        self.run("truncate o.log".to_owned());
        self.gone.extend(rows);
        self.lost += bytes;
        self.append();
        self.read_all().await;
    }

    async fn source(&mut self) -> Kept<File> {
        match self.source.take() {
            Some(source) => source,
            None => self.folder.open(7).await,
        }
    }

    async fn read_all(&mut self) {
        let written = self.folder.written.iter().copied();
        self.read(written.filter(|id| !self.gone.contains(id)).collect()).await;
    }

    async fn read(&mut self, expect: BTreeSet<u64>) {
        self.log.push(format!("read up to {:?}", expect.last()));
        let mut source = self.source().await;
        let what = self.what();
        self.folder.until(&mut source, &expect, &what).await;
        self.source = Some(source);
    }

    fn what(&self) -> String {
        format!("seed {}: {:#?}", self.seed, self.log)
    }
}

/// Others each time; `KISFLOW_SEED` tries one again.
fn seeds() -> Vec<u64> {
    (0..12).map(|_| fastrand::u64(..)).collect()
}

#[tokio::test]
async fn every_row_comes_or_is_reported_whatever_happens_to_the_file() {
    let seed = std::env::var("KISFLOW_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seed.map_or_else(seeds, |seed| vec![seed]) {
        println!("KISFLOW_SEED={seed}");
        let mut folder = Folder::new("o.log");
        folder.params = serde_json::json!({"follow": true, "poll_ms": 2, "rotate_wait_ms": 10});
        let (random, gone) = (Rng::with_seed(seed), BTreeSet::new());
        let mut model =
            Model { random, seed, folder, source: None, next: 0, log: Vec::new(), gone, lost: 0 };
        model.source = Some(model.folder.open(7).await);
        for _ in 0..STEPS {
            model.step().await;
        }
        model.append();
        model.read_all().await;
        let what = model.what();
        let missing: BTreeSet<_> = model.folder.missing().into_iter().collect();
        assert!(missing.is_subset(&model.gone), "{what}: {missing:?}");
        assert_eq!(model.folder.context.lost(), model.lost, "{what}");
    }
}
