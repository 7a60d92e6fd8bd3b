//! Memory is bounded, whatever is in the file.
#![cfg(target_os = "linux")]

use std::io::{BufWriter, Seek, SeekFrom, Write};

use crate::support::{Place, done, mode, soon, start_child, tell, told};
use kisflow_core::Source;
use serde_json::json;

/// What the process may have had at most, in KiB.
const LIMIT: u64 = 64 << 10;
const SIZE: u64 = 100 << 20;

/// Not a test: what the others start. It counts rows, and tells the most memory that it had.
#[test]
fn child() {
    let Some((format, path)) = mode() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(async {
        let place = Place { path: path.into(), ..Place::new("unused") };
        let mut file = place.open(json!({"format": format})).await.unwrap();
        let mut rows = 0;
        while let Some(delivery) = soon(file.next()).await.unwrap() {
            rows += delivery.batch().len();
            done(&delivery).await;
        }
        rows
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    tell(format!("{rows} {}", peak.trim().trim_end_matches(" kB")));
}

fn check(format: &str, place: &Place, expect: u64) {
    let output = start_child("memory::child", format, place.path()).output().unwrap();
    let told = told(&output);
    let (rows, peak) = told.split_once(' ').unwrap();
    assert_eq!(rows.parse::<u64>().unwrap(), expect);
    assert!(peak.parse::<u64>().unwrap() < LIMIT, "{format}: {peak} KiB");
}

#[test]
fn a_line_of_100_mb_takes_no_memory() {
    // A hole before a line would be passed over: it stands within one.
    let place = Place::with("rows", "a\n1\nx");
    let mut file = std::fs::OpenOptions::new().write(true).open(&place.path).unwrap();
    file.seek(SeekFrom::Start(SIZE)).unwrap();
    file.write_all(b"\n2\n").unwrap();
    check("ndjson", &place, 4);
    check("csv", &place, 3);
}

#[test]
fn many_rows_take_no_memory() {
    let place = Place::new("rows");
    let mut file = BufWriter::new(std::fs::File::create(&place.path).unwrap());
    let text = "x".repeat(1000);
    let rows = SIZE / 1000;
    for id in 0..rows {
        writeln!(file, "{{\"id\":{id},\"text\":\"{text}\"}}").unwrap();
    }
    drop(file);
    check("ndjson", &place, rows);
}
