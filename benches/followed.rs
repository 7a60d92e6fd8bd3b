//! The idle cost of 1,000 followed files: with a flow for each, and with one flow and a pattern. The
//! hand-written loop beside them calls `stat` on each file twice a second.
//!
//! `cargo bench --package kisflow-benches --bench followed` prints the table; `-- --smoke` only proves
//! that it runs. Linux only: it reads `/proc/self`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark has no users, and fails loudly"
)]

#[allow(dead_code, reason = "the other benchmarks use more of it")]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use kisflow::{QuarantineConf, prelude::*};
use support::is_smoke;

#[derive(Serialize, Deserialize)]
struct Order {
    id: u64,
}

#[faas("CountOrders")]
fn count_orders(rows: &[Order], count: State<'_, Arc<AtomicU64>>) {
    count.fetch_add(rows.len() as u64, Ordering::Relaxed);
}

/// What a while of nothing costs.
struct Idle {
    /// Of one core, in per cent.
    cpu: f64,
    threads: usize,
}

fn main() {
    let (files, time) = match is_smoke() {
        true => (20, Duration::from_millis(200)),
        false => (1_000, Duration::from_secs(20)),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{files} idle followed files, over {} s", time.as_secs_f64());
    println!();
    println!("|  | CPU, of one core | threads |");
    println!("|---|---:|---:|");
    let row = |name: &str, Idle { cpu, threads }: Idle| {
        println!("| {name} | {cpu:.2} % | {threads} |");
    };
    row("by hand: one thread, `stat` of each file every 500 ms", by_hand(files, time));
    let pattern = runtime.block_on(serve(files, time, |conf, folder| {
        let source = file("orders", &folder.join("*.ndjson"));
        conf.flow(FlowConf::new("Orders").source("orders").then::<count_orders>()).source(source)
    }));
    row("kisflow: one flow, a pattern", pattern);
    let flows = runtime.block_on(serve(files, time, |conf, folder| {
        (0..files).fold(conf, |conf, at| {
            let name = format!("orders{at}");
            let flow = FlowConf::new(format!("Orders{at}")).source(&name);
            conf.flow(flow.then::<count_orders>()).source(file(&name, &path(folder, at)))
        })
    }));
    row("kisflow: a flow for each file", flows);
}

fn path(folder: &Path, at: u64) -> PathBuf {
    folder.join(format!("orders-{at:04}.ndjson"))
}

fn file(name: &str, path: &Path) -> SourceConf {
    SourceConf::new(name, "file").key(path.to_str().unwrap()).param("follow", true)
}

/// A folder with one row in each file.
fn folder(files: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..files {
        fs::write(path(folder.path(), at), format!("{{\"id\":{at}}}\n")).unwrap();
    }
    folder
}

/// Serves flows that follow the files, and measures once each row was read.
async fn serve(files: u64, time: Duration, flows: impl FnOnce(Conf, &Path) -> Conf) -> Idle {
    let folder = folder(files);
    let store = tempfile::tempdir().unwrap();
    let kept = store.path().join("kept.redb").display().to_string();
    let conf = Conf::new()
        .connector(ConnConf::new("kept", "redb").addrs(kept))
        .global(GlobalConf::default().quarantine(QuarantineConf::on("kept")));
    let count = Arc::new(AtomicU64::new(0));
    let registry =
        Registry::linked().connector::<Redb>().source::<kisflow::File>().state(count.clone());
    let flows = registry.link(flows(conf, folder.path())).await.unwrap();
    let stop = CancellationToken::new();
    let measured = async {
        while flows.ledgers().values().map(|ledger| ledger.delivered).sum::<u64>() < files {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What was read is kept, and what was written lately is looked at more often.
        tokio::time::sleep(time / 4).await;
        let begun = (Instant::now(), cpu());
        tokio::time::sleep(time).await;
        let idle = idle(begun);
        stop.cancel();
        idle
    };
    let (served, idle) = tokio::join!(flows.serve(stop.cancelled()), measured);
    served.unwrap();
    assert_eq!(count.load(Ordering::Relaxed), files);
    idle
}

fn by_hand(files: u64, time: Duration) -> Idle {
    let folder = folder(files);
    let begun = (Instant::now(), cpu());
    let mut bytes = 0;
    while begun.0.elapsed() < time {
        bytes = (0..files).map(|at| fs::metadata(path(folder.path(), at)).unwrap().len()).sum();
        std::thread::sleep(Duration::from_millis(500).min(time));
    }
    assert!(bytes > 0);
    idle(begun)
}

fn idle((begun, cpu_then): (Instant, f64)) -> Idle {
    let threads = fs::read_dir("/proc/self/task").unwrap().count();
    Idle { cpu: (cpu() - cpu_then) / begun.elapsed().as_secs_f64() * 100.0, threads }
}

/// Seconds of CPU that this process has taken, in steps of 10 ms: the kernel's unit of 1/100 s,
/// `proc_pid_stat(5)`.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program, in brackets, may have blanks.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}
