//! What each post is answered, over real sockets.

use std::time::Duration;

use crate::support::{
    self, Answer, LONG, ask, conf, context, deflate, done, free_port, gzip, next, open, params,
    post, read, request, send, until, work, zlib,
};
use kisflow_core::{Settled, Source};
use kisflow_http::Http;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc, time::timeout};

const NDJSON: &str = "content-type: application/x-ndjson";
const JSON: &str = "content-type: application/json";
const GZIP: &str = "content-encoding: gzip";
const DEFLATE: &str = "content-encoding: deflate";

/// Posts a body to a source that works, and gives the answer and the rows that entered the flow.
async fn posted(headers: &[&str], body: impl AsRef<[u8]>) -> (Answer, Vec<String>) {
    sent(&post("/rows", headers, body)).await
}

async fn sent(request: &[u8]) -> (Answer, Vec<String>) {
    let (http, port) = open(|params| params.max_body_bytes = 1_000).await;
    let (rows, mut seen) = mpsc::channel(1_000);
    let working = tokio::spawn(work(http, rows));
    let answer = ask(port, request).await;
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
    let mut rows = Vec::new();
    while let Some(row) = seen.recv().await {
        rows.push(row);
    }
    (answer, rows)
}

#[tokio::test]
async fn every_form_of_a_body_is_the_same_rows() {
    let rows = ["{\"id\":1}", "{\"id\":2}"];
    let lines = "{\"id\":1}\r\n\n  {\"id\":2}";
    let array = " [ {\"id\":1} ,\n{\"id\":2} ]\n";
    for (headers, body) in [
        (&[NDJSON][..], lines.as_bytes().to_vec()),
        (&["Content-Type: application/jsonl; charset=utf-8"], lines.as_bytes().to_vec()),
        (&[JSON], array.as_bytes().to_vec()),
        (&[], lines.as_bytes().to_vec()),
        (&[], array.as_bytes().to_vec()),
        (&[], format!("\u{feff}{lines}").into_bytes()),
        (&[NDJSON, GZIP], gzip(lines.as_bytes())),
        (&[GZIP], gzip(array.as_bytes())),
        (&[GZIP], [gzip(b"{\"id\":1}\n"), gzip(b"{\"id\":2}\n")].concat()),
        (&[NDJSON, DEFLATE], zlib(lines.as_bytes())),
        (&[JSON, DEFLATE], deflate(array.as_bytes())),
        (&["content-encoding: identity"], lines.as_bytes().to_vec()),
        (&["content-type: application/cloudevents-batch+json"], array.as_bytes().to_vec()),
        (
            &["content-type: Application/Vnd.Shop.Orders+JSON; charset=utf-8"],
            array.as_bytes().to_vec(),
        ),
    ] {
        let (answer, seen) = posted(headers, &body).await;
        assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.body, json!({"rows": 2, "quarantined": 0}), "{headers:?}");
        assert_eq!(seen, rows, "{headers:?} {}", body.escape_ascii());
    }
}

#[tokio::test]
async fn one_object_is_one_row_on_however_many_lines() {
    for headers in [&[JSON][..], &[]] {
        let (answer, seen) = posted(headers, "{\n \"id\": 1,\n \"of\": [1, 2]\n}\n").await;
        assert_eq!(answer.body, json!({"rows": 1, "quarantined": 0}), "{answer:?}");
        assert_eq!(seen, ["{  \"id\": 1,  \"of\": [1, 2] }"]);
    }
}

#[tokio::test]
async fn a_body_without_rows_is_done_at_once() {
    for (headers, body) in [(NDJSON, ""), (NDJSON, "\n \n"), (JSON, "[]"), (JSON, " [ ] ")] {
        let (answer, _) = posted(&[headers], body).await;
        assert_eq!((answer.status, &answer.body["rows"]), (200, &json!(0)), "{body}");
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_one_body() {
    let (http, port) = open(|_| {}).await;
    let (rows, mut seen) = mpsc::channel(1_000);
    let working = tokio::spawn(work(http, rows));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let head = request("POST", "/rows", &["transfer-encoding: chunked"], b"");
    stream.write_all(&head).await.unwrap();
    for piece in ["5\r\n{\"id\"\r\n", "3\r\n:1}\r\n", "9\r\n\n{\"id\":2}\r\n", "0\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let answer = timeout(LONG, read(&mut stream)).await.unwrap().unwrap();
    assert_eq!(answer.body, json!({"rows": 2, "quarantined": 0}), "{answer:?}");
    assert_eq!(
        [seen.recv().await.unwrap(), seen.recv().await.unwrap()],
        ["{\"id\":1}", "{\"id\":2}"]
    );
    working.abort();
}

const CSV: &str = "content-type: text/csv; charset=utf-8; header=present";

#[tokio::test]
async fn csv_is_the_same_rows_as_json() {
    let check = async |body: &str, expect: &[&str]| {
        for encoding in ["content-encoding: identity", GZIP] {
            let packed = if encoding == GZIP { gzip(body.as_bytes()) } else { body.into() };
            let (answer, rows) = posted(&[CSV, encoding], packed).await;
            assert_eq!(answer.body, json!({"rows": expect.len(), "quarantined": 0}), "{answer:?}");
            assert_eq!(rows, expect, "{body}");
        }
    };
    check("id\n1\n2\n", &["{\"id\":1}", "{\"id\":2}"]).await;
    check("id,name\r\n1,\"a, \"\"b\"\"\"\r\n", &["{\"id\":1,\"name\":\"a, \\\"b\\\"\"}"]).await;
    check("\u{feff}a,b\n,\n\n1.5,true", &["{\"a\":null,\"b\":null}", "{\"a\":1.5,\"b\":true}"])
        .await;
    check("a,b\n\"two\nlines\",007\n", &["{\"a\":\"two\\nlines\",\"b\":\"007\"}"]).await;
    check("id\r1\r2\r", &["{\"id\":1}", "{\"id\":2}"]).await;
    check("id,name\n", &[]).await;
}

#[tokio::test]
async fn csv_that_cannot_be_read_is_refused_as_a_whole() {
    let post = |body: &[u8]| post("/rows", &[CSV], body);
    for (body, row, words) in [
        ("id,name\n1,a\n\n2\n", 1, "row 1 (line 4) is no CSV: 1 field, the header has 2"),
        ("id,name\n1,a\n2,b,c\n", 1, "row 1 (line 3) is no CSV: 3 fields, the header has 2"),
        ("id,name\n1,\"a\nb\n", 0, "row 0 (line 2) is no CSV: a quote is not closed"),
        ("id,name\n1,\"a\"b\n", 0, "text behind a closing quote"),
        ("id\n1\n\0\n", 1, "a NUL byte"),
    ] {
        refused(&post(body.as_bytes()), 400, Some(row), words).await;
    }
    refused(&post(b"id\n1\n\xe9\n"), 400, Some(1), "not UTF-8").await;
    for (body, words) in [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("id,id\n1,2\n", "the header has the name `id` twice"),
        ("id;name\n1;2\n", "one name, `id;name`; write commas"),
        ("\"id\n1\n", "the header has a quote that is not closed"),
    ] {
        refused(&post(body.as_bytes()), 400, None, words).await;
    }
    refused(&post(b"\xe9\n"), 400, None, "the header is not UTF-8").await;
    let absent = ["content-type: text/csv; header=absent"];
    refused(&support::post("/rows", &absent, "1\n"), 415, None, "with a header line").await;
}

/// A refusal: status, row, and words that the message has.
async fn refused(request: &[u8], status: u16, row: Option<usize>, words: &str) -> Answer {
    let (answer, rows) = sent(request).await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.error().contains(words), "{words}: {answer:?}");
    assert_eq!(answer.body.get("row").cloned(), row.map(|row| json!(row)), "{answer:?}");
    assert_eq!(rows, Vec::<String>::new(), "rows of a body that is refused enter the flow");
    answer
}

#[tokio::test]
async fn a_body_with_a_row_that_is_no_json_is_refused_as_a_whole() {
    let good = "{\"id\":1}";
    for (headers, body, row, words) in [
        (
            NDJSON,
            format!("{good}\n\n{good}\n{{\"id\":\n{good}"),
            2,
            "row 2 (line 4) is no JSON: EOF",
        ),
        (
            NDJSON,
            format!("{good}\n{good} {good}"),
            1,
            "row 1 (line 2) is no JSON: trailing characters at column 10",
        ),
        (NDJSON, "\n[1,]".to_owned(), 0, "row 0 (line 2)"),
        (
            JSON,
            format!("[{good},\n {good},\n {{\"id\":\n1,}}]"),
            2,
            "row 2 (line 4) is no JSON: key must be a string at column 3",
        ),
        (JSON, format!("[{good},]"), 1, "row 1 (line 1)"),
        (JSON, "{\"id\":1,\n\"id".to_owned(), 0, "row 0 (line 2) is no JSON: EOF"),
    ] {
        refused(&post("/rows", &[headers], body), 400, Some(row), words).await;
    }
    let latin = [b"\"a\"\n\"".as_slice(), b"\xe9\"\n"].concat();
    refused(
        &post("/rows", &[NDJSON], latin),
        400,
        Some(1),
        "row 1 (line 2) is no JSON: it is not UTF-8",
    )
    .await;
}

#[tokio::test]
async fn a_body_that_is_not_what_its_content_type_says_is_refused() {
    for (body, words) in [
        ("{\"id\":1}\n{\"id\":2}", "application/x-ndjson"),
        ("[1] [2]", "application/x-ndjson"),
        ("[{\"id\":1}", "row 0 (line 1) is the last of an array that breaks off"),
        ("[1 2]", "row 0 (line 1) is followed by neither"),
        ("3", "no JSON array and no JSON object"),
        ("", "is empty"),
    ] {
        refused(&post("/rows", &[JSON], body), 400, None, words).await;
    }
    refused(&post("/rows", &[GZIP], "{\"id\":1}"), 400, None, "is no gzip").await;
    refused(&post("/rows", &[DEFLATE], "{\"id\":1}"), 400, None, "is no deflate").await;
    let row = b"{\"id\":1}";
    for (header, packed) in [(GZIP, gzip(row)), (DEFLATE, zlib(row)), (DEFLATE, deflate(row))] {
        for short in [0, 1, 3, packed.len() - 1] {
            let request = post("/rows", &[header], &packed[..short]);
            refused(&request, 400, None, "breaks off").await;
        }
        let more = [packed, b"{\"id\":2}".to_vec()].concat();
        refused(&post("/rows", &[header], more), 400, None, "none of its rows is taken").await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused_as_a_whole() {
    let unfinished = [
        request("POST", "/rows", &[NDJSON, "content-length: 100"], b"{\"id\":1}\n{\"id\":2}\n"),
        request("POST", "/rows", &[NDJSON, "transfer-encoding: chunked"], b"9\r\n{\"id\":1}\n\r\n"),
    ];
    for unfinished in unfinished {
        let (mut http, port) = open(|_| {}).await;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&unfinished).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = timeout(LONG, read(&mut stream)).await.unwrap().unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.error().contains("broke off"), "{answer:?}");
        // The connection is gone altogether: nobody is there to be told.
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&unfinished).await.unwrap();
        drop(stream);
        // What enters next is the row that is posted next.
        let whole = tokio::spawn(async move { ask(port, &post("/rows", &[], "{\"id\":3}")).await });
        let delivery = next(&mut http).await;
        assert_eq!(delivery.batch().to_ndjson().unwrap(), "{\"id\":3}\n");
        done(&delivery).await;
        assert_eq!(whole.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let large = "1\n".repeat(501);
    refused(&post("/rows", &[], &large), 413, None, "larger than 1000 bytes (`max_body_bytes`)")
        .await;
    let chunked = format!("3ea\r\n{large}\r\n0\r\n\r\n");
    let chunked = request("POST", "/rows", &["transfer-encoding: chunked"], chunked.as_bytes());
    refused(&chunked, 413, None, "larger than 1000 bytes").await;
    let bomb = b"1\n".repeat(100_000);
    for (header, bomb) in [(GZIP, gzip(&bomb)), (DEFLATE, zlib(&bomb)), (DEFLATE, deflate(&bomb))] {
        assert!(bomb.len() < 1_000);
        refused(&post("/rows", &[header], bomb), 413, None, "larger than 1000 bytes").await;
    }
    let (answer, rows) = posted(&[], "1\n".repeat(500)).await;
    assert_eq!((answer.status, rows.len()), (200, 500), "what just fits is taken");
}

#[tokio::test]
async fn a_client_that_still_sends_what_is_refused_gets_the_answer_and_keeps_its_connection() {
    let (_http, port) = open(|params| params.max_body_bytes = 1_000).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let large = vec![b'1'; 4 << 20];
    for (path, headers, status) in
        [("/rows", &[][..], 413), ("/row", &[], 404), ("/rows", &["content-type: text/plain"], 415)]
    {
        stream.write_all(&post(path, headers, &large)).await.unwrap();
        let answer = timeout(LONG, read(&mut stream)).await.unwrap().unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told() {
    let (_http, port) = open(|params| params.max_body_bytes = 1_000).await;
    for (length, status) in [(1_001, 413), (1_000, 100)] {
        let headers = ["expect: 100-continue", &format!("content-length: {length}")];
        let answer = ask(port, &request("POST", "/rows", &headers, b"")).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test]
async fn other_paths_methods_and_types_are_refused_with_the_way_out() {
    let body = "{\"id\":1}";
    refused(&post("/row", &[], body), 404, None, "/row;").await;
    let other = refused(&request("GET", "/rows", &[], b""), 405, None, "send a POST").await;
    assert_eq!(other.headers["allow"], "POST");
    let form = ["content-type: application/x-www-form-urlencoded"];
    refused(&post("/rows", &form, body), 415, None, "application/x-ndjson").await;
    refused(&post("/rows", &["content-encoding: br"], body), 415, None, "`br`").await;
    refused(&post("/rows", &[GZIP, GZIP], body), 415, None, "gzip").await;
    let both = refused(&post("/rows", &[GZIP, DEFLATE], body), 415, None, "`deflate`").await;
    assert_eq!(both.headers["accept-encoding"], "gzip, deflate");
    for no_type in ["application/+json", "application/xml", "json", "+json"] {
        let header = format!("content-type: {no_type}");
        refused(&post("/rows", &[&header], body), 415, None, "no content type of rows").await;
    }
    refused(&post("/rows", &["idempotency-key: "], body), 400, None, "idempotency key").await;
    let long = format!("idempotency-key: {}", "x".repeat(257));
    refused(&post("/rows", &[&long], body), 400, None, "1 to 256").await;
    let (answer, _) = posted(&["idempotency-key: day-17"], body).await;
    assert_eq!(answer.status, 200);
    let (answer, _) = sent(&post("/rows?from=here", &[], body)).await;
    assert_eq!(answer.status, 200, "a query is no part of the path");
}

#[tokio::test]
async fn a_token_that_is_wanted_must_be_brought() {
    // Cargo sets it.
    let (http, port) = open(|params| params.token_env = Some("CARGO_PKG_NAME".to_owned())).await;
    let (rows, mut seen) = mpsc::channel(1_000);
    let working = tokio::spawn(work(http, rows));
    for (headers, status) in [
        (&[][..], 401),
        (&["authorization: Bearer kisflow-htt"], 401),
        (&["authorization: Bearer kisflow-httP"], 401),
        (&["authorization: Bearer kisflow-httpp"], 401),
        (&["authorization: Basic kisflow-http"], 401),
        (&["authorization: Bearer "], 401),
        (&["authorization: bearer kisflow-http"], 200),
    ] {
        let answer = ask(port, &post("/rows", headers, format!("{status}"))).await;
        assert_eq!(answer.status, status, "{headers:?}: {answer:?}");
        let wanted = answer.headers.get("www-authenticate").map(String::as_str);
        assert_eq!(wanted, (status == 401).then_some("Bearer"));
    }
    assert_eq!(seen.recv().await.unwrap(), "200");
    working.abort();
}

#[tokio::test]
async fn a_post_that_does_not_fit_is_told_at_once_to_come_again() {
    let (mut http, port) = open(|params| params.queue = 1).await;
    let first = tokio::spawn(async move { ask(port, &post("/rows", &[], "1")).await });
    until("the first post waits", async || http.lag().await.unwrap() == Some(1)).await;
    let second = ask(port, &post("/rows", &[], "2")).await;
    assert_eq!((second.status, second.headers["retry-after"].as_str()), (429, "1"), "{second:?}");
    assert_eq!(
        second.error(),
        "the queue of flow `Flow` is full: 1 posts wait (`queue`); post again in a while"
    );
    let delivery = next(&mut http).await;
    assert_eq!(http.lag().await.unwrap(), Some(0));
    // There is room again.
    let third = tokio::spawn(async move { ask(port, &post("/rows", &[], "3")).await });
    done(&delivery).await;
    assert_eq!(first.await.unwrap().status, 200);
    let delivery = next(&mut http).await;
    assert_eq!(delivery.batch().to_ndjson().unwrap(), "3\n");
    done(&delivery).await;
    assert_eq!(third.await.unwrap().status, 200);
}

#[tokio::test]
async fn rows_that_are_not_done_in_time_are_to_be_posted_again() {
    let (mut http, port) = open(|params| params.timeout = Duration::from_millis(50)).await;
    let busy = ask(port, &post("/rows", &[], "1")).await;
    assert_eq!((busy.status, busy.headers["retry-after"].as_str()), (503, "1"), "{busy:?}");
    assert!(busy.error().contains("none is taken"), "{busy:?}");
    let late = tokio::spawn(async move { ask(port, &post("/rows", &[], "2")).await });
    let delivery = next(&mut http).await;
    assert_eq!(
        delivery.batch().to_ndjson().unwrap(),
        "2\n",
        "a post that was given up is not worked on"
    );
    let late = late.await.unwrap();
    assert_eq!((late.status, late.headers["retry-after"].as_str()), (503, "1"), "{late:?}");
    assert!(late.error().contains("may be yet"), "{late:?}");
    done(&delivery).await;
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_refused() {
    let (_http, port) = open(|params| params.timeout = Duration::from_millis(50)).await;
    let unfinished = request("POST", "/rows", &["content-length: 100"], b"1");
    let answer = ask(port, &unfinished).await;
    assert_eq!(answer.status, 408, "{answer:?}");
}

#[tokio::test]
async fn rows_that_are_released_or_dropped_are_to_be_posted_again() {
    let (mut http, port) = open(|_| {}).await;
    for release in [true, false] {
        let answer = tokio::spawn(async move { ask(port, &post("/rows", &[], "1")).await });
        let delivery = next(&mut http).await;
        if release {
            delivery.receipt().release().await.unwrap();
            // The first word counts.
            done(&delivery).await;
        }
        drop(delivery);
        let answer = answer.await.unwrap();
        assert_eq!(
            (answer.status, answer.headers["retry-after"].as_str()),
            (503, "1"),
            "{answer:?}"
        );
        assert!(answer.error().contains("given back"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_flow_that_shuts_down_ends_what_it_began_and_turns_the_rest_away() {
    let port = free_port();
    let context = context("Orders");
    let mut http =
        Http::open(&conf(port, "/rows"), params(|params| params.queue = 1), context.clone())
            .await
            .unwrap();
    let begun = tokio::spawn(async move { ask(port, &post("/rows", &[], "1")).await });
    let delivery = next(&mut http).await;
    let waiting = tokio::spawn(async move { ask(port, &post("/rows", &[], "2")).await });
    until("the second post waits", async || http.lag().await.unwrap() == Some(1)).await;
    // The queue is full: that is not what matters now.
    context.draining().cancel();
    let new = ask(port, &post("/rows", &[], "3")).await;
    for turned_away in [waiting.await.unwrap(), new] {
        assert_eq!(turned_away.status, 503, "{turned_away:?}");
        assert_eq!(turned_away.headers["retry-after"], "5");
        assert!(turned_away.error().contains("flow `Orders` is shutting down"), "{turned_away:?}");
    }
    done(&delivery).await;
    http.close().await.unwrap();
    assert_eq!(begun.await.unwrap().status, 200);
}

#[tokio::test]
async fn closing_answers_what_waits_and_closes_the_port() {
    let (mut http, port) = open(|_| {}).await;
    let waiting = tokio::spawn(async move { ask(port, &post("/rows", &[], "1")).await });
    until("the post waits", async || http.lag().await.unwrap() == Some(1)).await;
    // An idle connection keeps nothing open.
    let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    idle.write_all(&request("GET", "/rows", &[], b"")).await.unwrap();
    assert_eq!(read(&mut idle).await.unwrap().status, 405);
    timeout(LONG / 30, http.close()).await.unwrap().unwrap();
    let waiting = waiting.await.unwrap();
    assert_eq!(waiting.status, 503, "{waiting:?}");
    assert!(waiting.error().contains("shutting down"), "{waiting:?}");
    assert!(send(port, &post("/rows", &[], "2")).await.is_err());
}

#[tokio::test]
async fn the_answer_tells_how_many_rows_are_in_quarantine() {
    let (mut http, port) = open(|_| {}).await;
    let answer = tokio::spawn(async move { ask(port, &post("/rows", &[], "1\n2\n3")).await });
    let delivery = next(&mut http).await;
    delivery.receipt().done(&Settled::new(1, 2)).await.unwrap();
    assert_eq!(answer.await.unwrap().body, json!({"rows": 3, "quarantined": 2}));
}
