//! The HTTP source of kisflow, which takes posted rows: `type: http`.
//!
//! ```yaml
//! kistype: source
//! sname: orders
//! type: http
//! addrs: 0.0.0.0:8080           # where to listen; several flows may share an address …
//! key: /orders                  # … with a path each
//! batch: { rows: 500 }          # a longer post is worked on in parts, short ones together
//! params:
//!   max_body_bytes: 10485760
//!   queue: 64                   # posts that wait beside those worked on; more are told 429
//!   memory_bytes: 67108864      # what all posts of this path may hold; more are told 429
//!   timeout_ms: 30000           # how long a body may take, and then a post waits for its rows
//!   idle_ms: 5000               # how long a body may stand still
//!   idempotency_ms: 600000      # how long the key of a post that is done is remembered
//!   token_env: ORDERS_TOKEN     # who posts must know it
//!   tls_cert: /etc/shop/tls.crt # HTTPS; PEM files
//!   tls_key: /etc/shop/tls.key
//! ```
//!
//! A post is answered when its rows are done: delivered, filtered, in quarantine,
//! or durably waiting for something that is unavailable.
//!
//! ```text
//! $ curl -H 'content-type: application/json' -d '{"id":1}' http://localhost:8080/orders
//! {"rows":1,"quarantined":0}
//! $ curl -H 'content-type: application/x-ndjson' -H 'idempotency-key: day-17' \
//!        --data-binary @day-17.ndjson http://localhost:8080/orders
//! {"rows":86400,"quarantined":2}
//! $ gzip -c day-17.ndjson | curl -H 'content-type: application/x-ndjson' -H 'content-encoding: gzip' \
//!        -H "authorization: Bearer $ORDERS_TOKEN" --data-binary @- http://localhost:8080/orders
//! {"rows":86400,"quarantined":2}
//! ```
//!
//! Give the registry the type:
//!
//! ```no_run
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use kisflow_core::Registry;
//! use kisflow_http::Http;
//!
//! let flows = Registry::new().source::<Http>().load("conf").await?;
//! # Ok::<(), kisflow_core::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # Bodies
//!
//! A body is NDJSON (`application/x-ndjson`, `application/jsonl`), or a JSON array of rows or one
//! object (`application/json`, and any other type that ends in `+json`); without a content type its
//! first character decides. With `text/csv` it is CSV with commas, whose header line gives the
//! names; a value is a number or a boolean if it looks like one, `null` if it is empty, and
//! otherwise text. It may be compressed: `content-encoding: gzip` or `deflate`, which is zlib, or
//! raw deflate as some clients send it. No row enters the flow unless the whole body is valid.
//!
//! A slow body affects only its own client. It takes no place in the `queue` before it is complete.
//! It is refused when no byte came for `idle_ms`, when it is slower than `min_bytes_per_second`,
//! and when it is not complete after `timeout_ms`. When the `memory_bytes` are used up, a body
//! without progress for a second loses its share to another post.
//!
//! A listener has up to 1,024 connections. For one more, it closes the one that has been quiet the
//! longest: idle, or with an incomplete request. Requests in progress stay.
//!
//! A client may close its side of the connection after the request (as `nc -N` does): it gets its
//! answer. A client that closes the whole connection looks the same, so its rows are processed.
//!
//! # Answers
//!
//! | status | why | what to do |
//! |---|---|---|
//! | 200 `{"rows":n,"quarantined":k}` | every row is done | – |
//! | 400 `{"error":…,"row":3}` | a row is not JSON, or the body broke off | correct the body, post all of it |
//! | 400 `{"error":…}` | the flow has `guarantee: exactly_once`, and the post no idempotency key | `idempotency-key: …` |
//! | 401 | the bearer token is missing or wrong | `authorization: Bearer …` |
//! | 404, 405, 415 | no such path; no `POST`; unknown content type or encoding | as the message says |
//! | 408 | the body stalled, was too slow, or took longer than `timeout_ms` | post again, or in smaller parts |
//! | 409, `Retry-After` | rows with the same idempotency key are in progress | post again |
//! | 413 | the body is larger than `max_body_bytes`, or its rows need more than `memory_bytes` | post in smaller parts |
//! | 422 | the idempotency key had another body before | give each body its own key |
//! | 429, `Retry-After` | the `queue` is full or the `memory_bytes` are used up; the message says which | post again |
//! | 503, `Retry-After` | the flow is stopping, the rows are not done (in time), or the store does not say which are | post again |
//!
//! # The idempotency key
//!
//! Rows are delivered at least once: a client that got no 200 posts again, with the same
//! `Idempotency-Key` (1 to 256 visible ASCII characters). A repetition of a post whose rows are all
//! done gets 200, with the body of the first answer and `Idempotency-Replayed: true`, and nothing
//! is delivered again; also if the first client was gone, or was told that it took too long. While
//! the rows are in progress, it gets 409. If some of the rows were given back, the key is free
//! again and the whole post is processed.
//!
//! Keys are kept in the memory of the process, for each path: those of done posts for
//! `idempotency_ms`, and at most `idempotency_keys` of them. After a key was dropped, or the
//! process restarted, the rows are delivered again. In a flow with `guarantee: exactly_once` each post
//! needs a key, and the store has, for each key, how many rows of its post are done: a repetition goes
//! on behind them, in any process with the same store. The position of a row is `<key>:<index>`, so a
//! repeated row is the same entry in quarantine. Without the header each request has its own id.
//!
//! # TLS
//!
//! With `tls_cert` and `tls_key` the listener speaks TLS 1.2 and 1.3, with rustls. The files are
//! read when the source opens; a new certificate needs a restart. Sources that share an address
//! must have the same files.
//!
//! `quarantined` is `null` if the rows shared a batch with those of other posts, and some but not
//! all rows of that batch are in quarantine.
//!
//! | module | what it is |
//! |---|---|
//! | `params`, `check` | the params of a conf, and its problems |
//! | `source` | [`Http`]: opens, hands out, closes |
//! | `listeners` → `server` → `routes` | addresses → one address and its connections → its paths |
//! | `tls`, `crowd` | the certificate of an address; which of its connections gives way to others |
//! | `gate` → `head`, `body`, `unpack`, `rows`, `csv` | one path: takes a post → its headers, its bytes, unpacked, its rows |
//! | `memory`, `keys`, `kept` | the bytes that posts hold; the known idempotency keys; those in the store |
//! | `queue` → `receipt` → `ticket` | waiting posts → rows in progress → what a post waits for |
//! | `refusal` | every answer but 200 |
//! | `error` | [`HttpError`] |

mod body;
mod check;
mod crowd;
mod csv;
mod error;
mod gate;
mod head;
mod kept;
mod keys;
mod listeners;
mod memory;
mod params;
mod queue;
mod receipt;
mod refusal;
mod routes;
mod rows;
mod server;
mod source;
mod ticket;
mod tls;
mod unpack;

pub use crate::{error::HttpError, params::HttpParams, source::Http};
