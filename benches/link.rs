//! Loading and linking a conf of 1,000 flows and 3,000 functions, each in a file of its own, with
//! metrics kept; and the memory that a linked flow takes.
//!
//! `cargo bench --package kisflow-benches --bench link` prints the table; `-- --smoke` only proves that it runs.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark has no users, and fails loudly")]

mod support;

use std::time::Duration;
use std::time::Instant;

use kisflow::prelude::*;
use support::{is_smoke, median};

fn main() {
    let (count, rounds) = if is_smoke() { (20, 1) } else { (1_000, 9) };
    let dir = tempfile::tempdir().unwrap();
    conf(count).write(dir.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut seconds = Vec::new();
    let mut bytes = 0;
    for _ in 0..rounds {
        let mut flows = None;
        let start = Instant::now();
        // What is counted is what is still held when the flows are linked.
        let counted = allocation_counter::measure(|| {
            let registry = Registry::new().exporter(Prometheus::new());
            flows = Some(runtime.block_on(registry.load(dir.path())).unwrap());
        });
        seconds.push(start.elapsed().as_secs_f64());
        bytes = counted.bytes_current;
        assert_eq!(flows.unwrap().names().count(), count);
    }
    println!("| flows | functions | files | load and link | memory of a linked flow |");
    println!("|---:|---:|---:|---:|---:|");
    let files = count * 4 + 2;
    println!(
        "| {count} | {} | {files} | {:.3} s | {:.1} KiB |",
        count * 3,
        median(seconds),
        bytes as f64 / 1024.0 / count as f64
    );
}

/// Flows of three functions: what storage by conf alone needs no code for.
fn conf(flows: usize) -> Conf {
    let mut global = GlobalConf::default();
    global.prometheus_enable = true;
    let conf =
        Conf::new().global(global).connector(ConnConf::new("Scores", "memory").key("score_"));
    (0..flows).fold(conf, |conf, flow| {
        let names =
            [format!("SaveScore{flow}"), format!("SaveAverage{flow}"), format!("LoadScore{flow}")];
        let modes = [Mode::Save, Mode::Save, Mode::Load];
        let mut steps = FlowConf::new(format!("CalStuAvgScore{flow}"));
        let mut conf = conf;
        for (name, mode) in names.into_iter().zip(modes) {
            steps = steps.then_named(StepConf::from(name.as_str()).param("wait_ms", 10));
            let function = FunctionConf::new(name, mode)
                .source("scores")
                .must("stu_id")
                .connector("Scores")
                .retry(3, Duration::from_millis(50));
            conf = conf.function(function.param("id", "stu_id"));
        }
        conf.flow(steps)
    })
}
