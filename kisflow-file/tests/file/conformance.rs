//! The rules of sources, kept by a file that is followed.

use crate::support::Place;
use kisflow_core::{
    async_trait,
    conformance::{Kept, Lease, SourceWorld, World, source},
};
use kisflow_file::File;

/// Files that only grow.
struct Growing;
/// Files that a logger moves aside when a connection would break.
struct Rotated;

struct OneFile {
    place: Place,
    rotates: bool,
}

#[async_trait]
impl SourceWorld for Growing {
    type World = OneFile;
    const SHARES: bool = false;

    async fn create(&self) -> OneFile {
        OneFile { place: Place::new("rows.ndjson"), rotates: false }
    }
}

#[async_trait]
impl SourceWorld for Rotated {
    type World = OneFile;
    const SHARES: bool = false;

    async fn create(&self) -> OneFile {
        OneFile { place: Place::new("rows.ndjson"), rotates: true }
    }
}

#[async_trait]
impl World for OneFile {
    type Source = Kept<File>;

    async fn open(&self, _: Lease) -> Kept<File> {
        self.place.follow().await
    }

    async fn feed(&self, rows: Vec<String>) {
        self.place.append(rows.join("\n") + "\n");
    }

    async fn disconnect(&self) {
        if self.rotates {
            self.place.rename();
        }
    }
}

#[tokio::test]
async fn a_file_keeps_the_rules_of_sources() {
    source(&Growing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_rotated_keeps_the_rules_of_sources() {
    source(&Rotated).await;
}
