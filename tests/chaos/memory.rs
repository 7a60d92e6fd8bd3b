//! Ten million rows in constant memory, with a sink that is slower than the source.

use std::{fs, io::Write};

use crate::process::{Stage, number};

const ROWS: u64 = 10_000_000;

#[test]
fn ten_million_rows_take_no_more_memory_than_ten_thousand() {
    let stage = Stage::new("");
    stage.conf(
        "flow.yml",
        "kistype: flow\nflow_name: Numbers\nsource: numbers\nflows:\n  - fname: Count\n",
    );
    stage.conf("func.yml", "kistype: func\nfname: Count\nfmode: Calculate\n");
    let path = stage.path("numbers.ndjson");
    stage.conf("source.yml", &format!(
        "kistype: source\nsname: numbers\ntype: file\nkey: {}\nbatch: {{rows: 10000, wait_ms: 5}}\n",
        path.display()
    ));
    let mut peaks = Vec::new();
    for rows in [10_000, ROWS] {
        let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
        for id in 0..rows {
            writeln!(file, "{{\"id\":{id}}}").unwrap();
        }
        drop(file);
        fs::remove_file(stage.path("kept.redb")).ok();
        // A batch takes longer to count than to read: without back pressure all of the file would be
        // in memory.
        let printed = stage.worker_with("worker", &["20"]).wait();
        assert_eq!(number(&printed, "delivered"), rows);
        peaks.push(number(&printed, "memory"));
    }
    println!("peak memory: {} KiB for 10,000 rows, {} KiB for {ROWS}", peaks[0], peaks[1]);
    let size = fs::metadata(&path).unwrap().len() / 1024;
    assert!(peaks[1] < peaks[0] + 32 * 1024, "{peaks:?} KiB for a file of {size} KiB");
}
