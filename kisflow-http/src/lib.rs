//! The source of kisflow that rows are posted to over HTTP: `type: http`.
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
//! A post is answered when its rows are done: delivered, filtered or in quarantine.
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
//! first character tells. With `text/csv` it is CSV with commas, whose header line gives the names;
//! numbers, `true`, `false` and nothing (`null`) are what they look like, all else is text. It may be packed: `content-encoding: gzip` or `deflate`, which is zlib, or
//! raw deflate as some clients send it. Nothing of it enters the flow unless all of it is valid.
//!
//! A body that comes slowly costs its own client and no other. It takes no place of the `queue`
//! before it is complete. It is refused when no byte came for `idle_ms`, when it comes at less than
//! `min_bytes_per_second`, and when it is not complete after `timeout_ms`. What it holds of
//! `memory_bytes` goes to another post when it has stood still for a second and the memory is used
//! up.
//!
//! A listener has up to 1,024 connections. For one more, the one is closed that has been quiet the
//! longest: idle, or with a request that is not complete. Requests that are worked on stay.
//!
//! A client may close its side of the connection behind the request (as `nc -N` does): it gets its
//! answer. A client that closes all of it cannot be told from that, so its rows are worked on.
//!
//! # What a post is answered
//!
//! | status | why | what to do |
//! |---|---|---|
//! | 200 `{"rows":n,"quarantined":k}` | every row is done | – |
//! | 400 `{"error":…,"row":3}` | a row is no JSON, or the body broke off | mend the body, post all of it |
//! | 401 | the bearer token is missing or wrong | `authorization: Bearer …` |
//! | 404, 405, 415 | no such path; no `POST`; unknown content type or encoding | as the message says |
//! | 408 | the body stood still, came too slowly, or took longer than `timeout_ms` | post again, or in smaller parts |
//! | 409, `Retry-After` | rows with the same idempotency key are worked on | post again |
//! | 413 | the body is larger than `max_body_bytes`, or its rows need more than `memory_bytes` | post in smaller parts |
//! | 422 | the idempotency key came with another body before | give each body a key of its own |
//! | 429, `Retry-After` | the `queue` or `memory_bytes` are full; the message says which | post again |
//! | 503, `Retry-After` | the flow stops, or the rows are not done (in time) | post again |
//!
//! # The idempotency key
//!
//! Rows are delivered at least once: a client that got no 200 posts again, with the same
//! `Idempotency-Key` (1 to 256 visible ASCII characters). A post that repeats one whose rows are all
//! done is answered 200 with what the first was answered and `Idempotency-Replayed: true`, and
//! nothing is delivered again; also when the first client was gone, or was told that it took too
//! long. While the rows are worked on, it is told 409. When some of the rows were given back, the key
//! is free again and the post is worked on as a whole.
//!
//! Keys are kept in the memory of the process, for each path: those whose rows are done for
//! `idempotency_ms`, and at most `idempotency_keys` of them. A key that was forgotten, or a process
//! that was started anew, delivers again. The position of a row is `<key>:<index>`, so in quarantine
//! it is the same row whenever it comes. Without the header each request has an id of its own.
//!
//! # TLS
//!
//! With `tls_cert` and `tls_key` the listener speaks TLS 1.2 and 1.3, by rustls. The files are read
//! when the source opens; a new certificate needs a restart. Sources that share an address have the
//! same files.
//!
//! `quarantined` is `null` when the rows travelled in one batch with those of other posts, and some
//! but not all rows of that batch are in quarantine.
//!
//! | module | what it is |
//! |---|---|
//! | `params`, `check` | what a conf can say, and what is wrong with it |
//! | `source` | [`Http`]: opens, hands out, closes |
//! | `listeners` → `server` → `routes` | addresses → one address and its connections → its paths |
//! | `tls`, `crowd` | the certificate of an address; which of its connections gives way to others |
//! | `gate` → `head`, `body`, `unpack`, `rows`, `csv` | one path: takes a post → what its headers say, its bytes, unpacked, its rows |
//! | `memory`, `keys` | the bytes that posts hold; the idempotency keys that are known |
//! | `queue` → `receipt` → `ticket` | posts that wait → rows that are worked on → what a post waits for |
//! | `refusal` | every answer but 200 |
//! | `error` | [`HttpError`] |

mod body;
mod check;
mod crowd;
mod csv;
mod error;
mod gate;
mod head;
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
