//! What is gone before it was read: reported with its bytes, until somebody has acknowledged it.
#![cfg(unix)]

use crate::support::{self, folder::Folder, rows_of, soon};
use kisflow_core::{Source, StoredPosition};
use serde_json::json;

#[tokio::test]
async fn a_loss_is_told_until_it_is_acknowledged() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("append o.ndjson 0 10");
    let mut source = folder.open(1).await;
    folder.deliveries(&mut source, 3).await;
    drop(source);
    folder.run("rm o.ndjson");
    folder.run("append o.ndjson 10 20");
    let bytes = 7 * folder.row(0).len();
    let mut source = folder.open(1).await;
    folder.until(&mut source, &(10..20).collect(), "the new file").await;
    let problems = folder.context.health().problems();
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(problem.contains(&format!("{bytes} bytes of it are lost")), "{problem}");
    let id = problem.split_once("acknowledged: [").unwrap().1.split_once(']').unwrap().0.to_owned();
    // It outlives the process.
    drop(source);
    let counted = folder.context.lost();
    assert_eq!(counted, bytes as u64);
    let source = folder.open(1).await;
    assert_eq!(folder.context.health().problems(), problems);
    assert_eq!(folder.context.lost(), counted, "a former process has counted it");
    drop(source);
    folder.params["acknowledged"] = json!([id]);
    let mut source = folder.open(1).await;
    assert_eq!(folder.context.health().problems(), [""; 0]);
    // It is forgotten with the next row.
    folder.run("append o.ndjson 20 21");
    folder.until(&mut source, &(20..21).collect(), "another row").await;
    drop(source);
    folder.params["acknowledged"] = json!([]);
    let _source = folder.open(1).await;
    assert_eq!(folder.context.health().problems(), [""; 0]);
}

#[tokio::test]
async fn what_is_written_to_a_file_that_was_left_is_reported() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("append o.ndjson 0 10");
    let mut source = folder.open(10).await;
    folder.deliveries(&mut source, 1).await;
    folder.run("mv o.ndjson o.1");
    folder.run("append o.ndjson 10 20");
    folder.until(&mut source, &(10..20).collect(), "the new file").await;
    folder.run("append o.1 20 22");
    let bytes = 2 * folder.row(0).len() as u64;
    soon(async {
        while folder.context.lost() < bytes {
            folder.some(&mut source).await;
        }
    })
    .await;
    assert_eq!(folder.context.lost(), bytes);
    let problems = folder.context.health().problems();
    assert!(problems[0].contains("raise `rotate_wait_ms`"), "{problems:?}");
}

#[tokio::test]
async fn a_file_that_is_truncated_while_the_flow_is_full_is_noticed_and_what_is_gone_is_counted() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("append o.ndjson 0 60000");
    let total = std::fs::metadata(folder.path("o.ndjson")).unwrap().len();
    let mut source = folder.open(500).await;
    folder.deliveries(&mut source, 1).await;
    folder.lags(&mut source, total - 500 * folder.row(0).len() as u64, "the backlog").await;
    // It has grown past where it was read before anybody is asked.
    folder.run("write o.ndjson 60000 120000");
    let mut pieces = 0;
    while folder.seen.last() != Some(&119_999) {
        let delivery = support::next(&mut source).await;
        for row in rows_of(&delivery) {
            match row.ends_with('}') {
                true => folder.take_row(&row),
                // What was read of a line when the rest was gone.
                false => pieces += row.len() as u64,
            }
        }
        support::done(&delivery).await;
    }
    let came = folder.seen.iter().filter(|id| **id < 60_000).count() * folder.row(0).len();
    assert_eq!(folder.seen.iter().filter(|id| **id >= 60_000).count(), 60_000);
    assert!(folder.context.lost() > 0);
    assert_eq!(folder.context.lost(), total - came as u64 - pieces);
    assert_eq!(folder.context.health().problems().len(), 1);
}

#[tokio::test]
async fn nul_bytes_are_counted() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("append o.ndjson 0 1");
    let mut source = folder.open(1).await;
    folder.deliveries(&mut source, 1).await;
    folder.run("truncate o.ndjson");
    folder.run("at o.ndjson 2097152 1 3");
    folder.until(&mut source, &(0..3).collect(), "behind the hole").await;
    assert_eq!((folder.context.skipped(), folder.context.lost()), (2_097_152, 0));
}

#[tokio::test]
async fn a_file_whose_length_is_0_is_read_once() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("link /proc/sys/kernel/ostype o.ndjson");
    let mut source = folder.open(1).await;
    let delivery = support::next(&mut source).await;
    assert_eq!(rows_of(&delivery), ["Linux"]);
    support::done(&delivery).await;
    support::silent(&mut source).await;
    drop(source);
    let mut source = folder.open(1).await;
    support::silent(&mut source).await;
}

#[tokio::test]
async fn a_position_of_the_first_format_is_gone_on_from() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("append o.ndjson 0 10");
    let path = folder.path("o.ndjson");
    let text = std::fs::read(&path).unwrap();
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.iter().take(256).fold(0xcbf2_9ce4_8422_2325, mix);
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
    let length = text.len().min(256);
    let offset = 4 * folder.row(0).len();
    let kept = json!({"offset": offset, "mark": {"inode": inode, "length": length, "hash": hash}});
    let kept = StoredPosition::new("lines", "flow", path.to_str().unwrap(), kept.to_string());
    StoredPosition::replace(&*folder.store, &[], &[kept]).await.unwrap();
    let mut source = folder.open(1).await;
    folder.until(&mut source, &(4..10).collect(), "the rest").await;
    assert_eq!(folder.seen, (4..10).collect::<Vec<_>>());
    assert!(source.lag_bytes().await.unwrap() == Some(0));
}

#[tokio::test]
async fn a_rotated_file_whose_compression_is_not_read_is_reported() {
    for (name, is_lost) in
        [("o.ndjson.1.xz", true), ("o-2026-11-27.ndjson.zst", true), ("o.ndjson.bak.xz", false)]
    {
        let mut folder = Folder::new("o.ndjson");
        folder.run("append o.ndjson 0 10");
        let mut source = folder.open(10).await;
        folder.deliveries(&mut source, 1).await;
        drop(source);
        // Two rotations while no process runs; the second file was compressed.
        folder.run("mv o.ndjson o.ndjson.2");
        let time = std::fs::metadata(folder.path("o.ndjson.2")).unwrap().modified().unwrap();
        let compressed = |name: &str, modified| {
            std::fs::write(folder.path(name), "compressed").unwrap();
            let file = std::fs::File::options().append(true).open(folder.path(name)).unwrap();
            file.set_modified(modified).unwrap();
        };
        compressed(name, time + std::time::Duration::from_millis(1));
        // The compressor keeps the time of the file that was read: it is that file.
        compressed("o.ndjson.3.xz", time);
        folder.run("append o.ndjson 20 30");
        let mut source = folder.open(10).await;
        folder.until(&mut source, &(20..30).collect(), name).await;
        let problems = folder.context.health().problems();
        let lost = if is_lost { 10 } else { 0 };
        assert_eq!(folder.context.lost(), lost, "{name}: {problems:?}");
        assert_eq!(problems.len(), usize::from(is_lost), "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains(name)), "{problems:?}");
    }
}

#[tokio::test]
async fn files_that_begin_alike_are_no_copies_of_one_another() {
    let mut folder = Folder::new("o.csv");
    folder.run("append o.csv 0 1");
    let mut source = folder.open(10).await;
    folder.deliveries(&mut source, 1).await;
    drop(source);
    // The next file begins with all that was read of the first, and goes on.
    folder.run("mv o.csv o.csv.2");
    folder.run("cp o.csv.2 o.csv.1");
    folder.run("append o.csv.1 1 5");
    folder.run("append o.csv 5 9");
    let mut source = folder.open(10).await;
    folder.until(&mut source, &(0..9).collect(), "after the rotations").await;
    assert_eq!(folder.context.lost(), 0);
}

#[tokio::test]
async fn a_gzip_file_that_is_overwritten_in_place_is_read_anew() {
    let mut folder = Folder::new("o.ndjson.gz");
    folder.run("append a 0 20");
    folder.run("gzip a");
    folder.run("append b 20 25");
    folder.run("gzip b");
    folder.run("cp a.gz o.ndjson.gz");
    let mut source = folder.open(10).await;
    folder.until(&mut source, &(0..20).collect(), "the first content").await;
    folder.run("cp b.gz o.ndjson.gz");
    folder.until(&mut source, &(20..25).collect(), "the second content").await;
}

#[tokio::test]
async fn a_rotated_file_that_is_damaged_is_reported_and_the_others_are_read() {
    let mut folder = Folder::new("o.ndjson");
    folder.run("append o.ndjson 0 10");
    let mut source = folder.open(10).await;
    folder.deliveries(&mut source, 1).await;
    drop(source);
    folder.run("mv o.ndjson o.ndjson.3");
    let damaged = [&[0x1f, 0x8b, 8][..], &[0xff; 60]].concat();
    std::fs::write(folder.path("o.ndjson.2.gz"), &damaged).unwrap();
    folder.run("append o.ndjson.1 10 20");
    folder.run("append o.ndjson 20 30");
    let mut source = folder.open(10).await;
    folder.until(&mut source, &(10..30).collect(), "the other files").await;
    assert_eq!(folder.context.lost(), damaged.len() as u64);
    let problems = folder.context.health().problems();
    assert!(problems[0].contains("o.ndjson.2.gz"), "{problems:?}");
}

#[tokio::test]
async fn a_gzip_file_that_is_written_in_pieces_is_no_text() {
    let mut folder = Folder::new("o.ndjson.gz");
    folder.run("append a 0 20");
    folder.run("gzip a");
    let packed = std::fs::read(folder.path("a.gz")).unwrap();
    // A writer has made the file, and has written a part of what tells that it is gzip.
    std::fs::write(folder.path("o.ndjson.gz"), "").unwrap();
    let mut source = folder.open(10).await;
    folder.some(&mut source).await;
    for piece in [&packed[..2], &packed[2..40], &packed[40..]] {
        support::append(&folder.path("o.ndjson.gz"), piece);
        folder.some(&mut source).await;
    }
    folder.until(&mut source, &(0..20).collect(), "the whole file").await;
}
