//! Bodies that come slowly, break off or are too many: each costs its own client, and no other.

use std::time::Duration;

use crate::support::{self, LONG, ask, done, gzip, next, open, post, read, request, until, work};
use kisflow_core::Source;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

const LENGTH_500: &str = "content-length: 500";
const CHUNKED: &str = "transfer-encoding: chunked";

async fn connect(port: u16, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes.as_ref()).await.unwrap();
    stream
}

fn spawn_post(port: u16, body: String) -> JoinHandle<support::Answer> {
    tokio::spawn(async move { ask(port, &post("/rows", &[], body)).await })
}

/// A body of one row of so many bytes.
fn row(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[tokio::test]
async fn a_client_that_closes_its_side_behind_the_request_gets_every_answer() {
    let one = post("/rows", &[], "1");
    let chunked = request("POST", "/rows", &[CHUNKED], b"1\r\n1\r\n0\r\n\r\n");
    let last = post("/rows", &["connection: close"], "1");
    let old = b"POST /rows HTTP/1.0\r\ncontent-length: 1\r\n\r\n1".to_vec();
    let check = async |sent: Vec<u8>, posts: usize| {
        let (mut http, port) = open(|_| {}).await;
        let mut stream = connect(port, &sent).await;
        stream.shutdown().await.unwrap();
        let said = sent.escape_ascii().to_string();
        for _ in 0..posts {
            // The rows are done after the server has seen the client's end of the stream.
            let delivery = next(&mut http).await;
            assert_eq!(delivery.batch().to_ndjson().unwrap(), "1\n", "{said}");
            tokio::task::yield_now().await;
            done(&delivery).await;
            let answer = timeout(LONG, read(&mut stream)).await.unwrap().unwrap();
            assert_eq!(answer.status, 200, "{said}");
        }
        let more = timeout(LONG, stream.read(&mut [0])).await.unwrap().unwrap();
        assert_eq!(more, 0, "the server closes the connection as well: {said}");
    };
    check(one.clone(), 1).await;
    check(chunked.clone(), 1).await;
    check(last, 1).await;
    check(old, 1).await;
    check([one.clone(), one.clone()].concat(), 2).await;
    check([chunked, one.clone(), one].concat(), 3).await;
}

#[tokio::test]
async fn a_half_closed_request_that_is_not_complete_takes_no_row() {
    let (mut http, port) = open(|_| {}).await;
    for (sent, status) in [
        (request("POST", "/rows", &[LENGTH_500], b"1\n2\n"), Some(400)),
        (request("POST", "/rows", &[CHUNKED], b"4\r\n1\n2\n\r\n"), Some(400)),
        (b"POST /rows HTTP/1.1\r\nhost: here\r\n".to_vec(), None),
        (Vec::new(), None),
    ] {
        let mut stream = connect(port, &sent).await;
        stream.shutdown().await.unwrap();
        let answer = timeout(LONG, read(&mut stream)).await.unwrap();
        assert_eq!(answer.ok().map(|answer| answer.status), status, "{}", sent.escape_ascii());
    }
    let whole = spawn_post(port, "3".to_owned());
    let delivery = next(&mut http).await;
    assert_eq!(delivery.batch().to_ndjson().unwrap(), "3\n");
    done(&delivery).await;
    assert_eq!(whole.await.unwrap().status, 200);
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_no_other_post_out() {
    let (http, port) = open(|params| params.queue = 1).await;
    let (rows, _seen) = mpsc::channel(1_000);
    let working = tokio::spawn(work(http, rows));
    let begun = [
        request("POST", "/rows", &[LENGTH_500], b"{"),
        request("POST", "/rows", &[LENGTH_500], b""),
        request("POST", "/rows", &[CHUNKED], b"5\r\n{\"id"),
        b"POST /rows HTTP/1.1\r\nhost: he".to_vec(),
        Vec::new(),
    ];
    let mut held = Vec::new();
    for bytes in begun.iter().cycle().take(300) {
        held.push(connect(port, bytes).await);
    }
    for _ in 0..10 {
        assert_eq!(ask(port, &post("/rows", &[], "1")).await.status, 200);
    }
    // Those that go on are taken.
    let rest = format!(":1}}{}", " ".repeat(495));
    let mut late = connect(port, request("POST", "/rows", &[LENGTH_500], b"{\"id\"")).await;
    late.write_all(rest.as_bytes().get(..495).unwrap()).await.unwrap();
    assert_eq!(timeout(LONG, read(&mut late)).await.unwrap().unwrap().status, 200);
    working.abort();
}

#[tokio::test]
async fn a_body_that_stands_still_is_refused_before_the_time_of_a_whole_body() {
    let (_http, port) = open(|params| params.idle = Duration::from_millis(50)).await;
    for sent in [
        request("POST", "/rows", &[LENGTH_500], b"1"),
        request("POST", "/rows", &[LENGTH_500], b""),
        request("POST", "/rows", &[LENGTH_500, "expect: 100-continue"], b""),
        request("POST", "/rows", &[CHUNKED], b"1\r\n1\r\n"),
    ] {
        let mut stream = connect(port, &sent).await;
        let mut answer = timeout(LONG, read(&mut stream)).await.unwrap().unwrap();
        if answer.status == 100 {
            answer = timeout(LONG, read(&mut stream)).await.unwrap().unwrap();
        }
        assert_eq!(answer.status, 408, "{answer:?}");
        assert!(answer.error().contains("50ms (`idle_ms`)"), "{answer:?}");
        let more = timeout(LONG, stream.read(&mut [0])).await.unwrap().unwrap();
        assert_eq!(more, 0, "the connection is closed");
    }
}

#[tokio::test]
async fn a_body_that_drips_is_refused() {
    let (_http, port) = open(|params| {
        params.idle = Duration::from_millis(300);
        params.min_bytes_per_second = 1_000_000;
    })
    .await;
    let (mut answers, mut drops) =
        connect(port, request("POST", "/rows", &[CHUNKED], b"")).await.into_split();
    let dripping = tokio::spawn(async move {
        while drops.write_all(b"1\r\n1\r\n").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    let answer = timeout(LONG, read(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.error().contains("1000000 bytes a second"), "{answer:?}");
    timeout(LONG, dripping).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_without_an_end_is_refused_when_it_is_too_large() {
    let (_http, port) = open(|params| params.max_body_bytes = 1_000).await;
    let (mut answers, mut flood) =
        connect(port, request("POST", "/rows", &[CHUNKED], b"")).await.into_split();
    let flooding = tokio::spawn(async move {
        let piece = format!("400\r\n{}\r\n", "1".repeat(0x400));
        while flood.write_all(piece.as_bytes()).await.is_ok() {}
    });
    let answer = timeout(LONG, read(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answer.status, 413, "{answer:?}");
    timeout(LONG, flooding).await.unwrap().unwrap();
}

#[tokio::test]
async fn posts_share_the_memory_of_their_path() {
    let (mut http, port) = open(|params| {
        params.max_body_bytes = 1_000;
        params.memory_bytes = Some(2_000);
    })
    .await;
    let first = spawn_post(port, row(900));
    let second = spawn_post(port, row(900));
    until("both wait", async || http.lag().await.unwrap() == Some(2)).await;
    let third = ask(port, &post("/rows", &[], row(900))).await;
    assert_eq!((third.status, third.headers["retry-after"].as_str()), (429, "1"), "{third:?}");
    assert_eq!(
        third.error(),
        "the bodies of other posts fill the 2000 bytes of this path (`memory_bytes`); post again in a while"
    );
    let packed = request_gzip(&row(900));
    assert_eq!(ask(port, &packed).await.status, 429, "what is unpacked counts");
    let small = spawn_post(port, "1".to_owned());
    until("a small one fits", async || http.lag().await.unwrap() == Some(3)).await;
    // Its bytes are its own until the engine has done with them.
    let delivery = next(&mut http).await;
    assert_eq!(ask(port, &post("/rows", &[], row(900))).await.status, 429);
    done(&delivery).await;
    drop(delivery);
    for answer in [first, second, small] {
        assert_eq!(answer.await.unwrap().status, 200);
    }
    let again = spawn_post(port, row(900));
    done(&next(&mut http).await).await;
    assert_eq!(again.await.unwrap().status, 200);
}

fn request_gzip(body: &str) -> Vec<u8> {
    post("/rows", &["content-encoding: gzip"], gzip(body.as_bytes()))
}

#[tokio::test]
async fn a_body_whose_rows_never_fit_into_the_memory_is_too_large() {
    let (_http, port) = open(|params| {
        params.max_body_bytes = 1_000;
        params.memory_bytes = Some(2_000);
    })
    .await;
    let csv = ["content-type: text/csv"];
    // Each row of CSV has the names of all columns.
    let names = format!("{}\n{}", "x".repeat(500), "1\n".repeat(100));
    for (headers, body) in [(&[][..], "1\n".repeat(400)), (&csv, names)] {
        let answer = ask(port, &post("/rows", headers, body)).await;
        assert_eq!(answer.status, 413, "{answer:?}");
        assert!(answer.error().contains("more than 2000 bytes (`memory_bytes`)"), "{answer:?}");
    }
}

#[tokio::test]
async fn connections_that_are_cut_give_their_bytes_back() {
    let (mut http, port) = open(|params| {
        params.max_body_bytes = 1_000;
        params.memory_bytes = Some(2_000);
    })
    .await;
    let begun = [vec![b'1'; 950], vec![b'1'; 950]]
        .map(|bytes| request("POST", "/rows", &["content-length: 1000"], &bytes));
    for cut in [true, false] {
        let mut streams = Vec::new();
        for bytes in &begun {
            streams.push(connect(port, bytes).await);
        }
        until("their bytes are there", async || {
            ask(port, &post("/rows", &[], row(900))).await.status == 429
        })
        .await;
        for stream in &streams {
            if cut {
                stream.set_zero_linger().unwrap();
            }
        }
        drop(streams);
        let again = tokio::spawn(async move {
            loop {
                let answer = ask(port, &post("/rows", &[], row(900))).await;
                if answer.status != 429 {
                    break answer.status;
                }
            }
        });
        done(&next(&mut http).await).await;
        assert_eq!(timeout(LONG, again).await.unwrap().unwrap(), 200);
    }
}

#[tokio::test]
async fn a_body_that_stands_still_gives_its_bytes_to_those_that_come() {
    let (http, port) = open(|params| {
        params.max_body_bytes = 1_000;
        params.memory_bytes = Some(2_000);
    })
    .await;
    let (rows, _seen) = mpsc::channel(1_000);
    let working = tokio::spawn(work(http, rows));
    let mut quiet = Vec::new();
    for _ in 0..2 {
        let begun = request("POST", "/rows", &["content-length: 1000"], &[b'1'; 950]);
        quiet.push(connect(port, begun).await);
    }
    until("another has room", async || {
        ask(port, &post("/rows", &[], row(900))).await.status == 200
    })
    .await;
    let answer = timeout(LONG, read(quiet.first_mut().unwrap())).await.unwrap().unwrap();
    assert_eq!((answer.status, answer.headers["retry-after"].as_str()), (429, "1"), "{answer:?}");
    assert!(answer.error().contains("stood still"), "{answer:?}");
    working.abort();
}
