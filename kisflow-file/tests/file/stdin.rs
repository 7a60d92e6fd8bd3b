//! Standard input of a process of its own.

use std::{
    io::Write,
    process::{Child, Output, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::support::{LONG, mode, next, rest, silent, start_child, tell, told};
use kisflow_core::{Source, SourceConf, SourceContext, durable::MemoryStore};
use kisflow_file::{FileError, Stdin, StdinParams};

async fn open(context: &SourceContext) -> kisflow_core::Result<Stdin> {
    let conf = SourceConf::new("piped", "stdin").batch(500, Duration::from_millis(20));
    Stdin::open(&conf, StdinParams::default(), context.clone()).await
}

/// Not a test: what the others start.
#[test]
fn child() {
    let Some((mode, _)) = mode() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let context = SourceContext::new("flow", "piped", Arc::new(MemoryStore::default()));
    let result = runtime.block_on(async {
        let mut stdin = open(&context).await.unwrap();
        match &*mode {
            "all" => {
                let first = next(&mut stdin).await.receipt().position(1);
                let rows = rest(&mut stdin).await;
                format!("second row at {first}, last row {}", rows.last().unwrap())
            }
            "nothing" => {
                silent(&mut stdin).await;
                stdin.close().await.unwrap();
                "closed".to_owned()
            }
            _ => {
                let error = open(&context).await.err().unwrap();
                assert!(error.is::<FileError>());
                error.to_string()
            }
        }
    });
    drop(runtime);
    tell(result);
}

fn start(mode: &str) -> Child {
    start_child("stdin::child", mode, "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the child, which has its input all the while; ends it if that takes too long.
fn ended(mut child: Child) -> Output {
    let input = child.stdin.take();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > LONG {
            child.kill().unwrap();
            panic!("the process did not end while its input was open");
        }
        thread::sleep(Duration::from_millis(5));
    }
    drop(input);
    child.wait_with_output().unwrap()
}

#[test]
fn all_rows_come_before_the_end() {
    let mut child = start("all");
    let mut input = child.stdin.take().unwrap();
    for id in 0..100_000 {
        write!(input, "{{\"id\":{id}}}\r\n").unwrap();
    }
    write!(input, "{{\"id\":\"last\"}}").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(told(&output), "second row at stdin:10, last row {\"id\":\"last\"}");
}

#[test]
fn a_process_ends_though_its_input_does_not() {
    assert_eq!(told(&ended(start("nothing"))), "closed");
}

#[test]
fn only_one_flow_can_read_it() {
    assert_eq!(
        told(&ended(start("twice"))),
        "standard input is read already; only one flow can, and only once: give the others a file"
    );
}
