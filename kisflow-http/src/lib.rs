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
//!   timeout_ms: 30000           # how long a post waits for its rows to be done
//!   token_env: ORDERS_TOKEN     # who posts must know it
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
//! # What a post is answered
//!
//! A body is NDJSON (`application/x-ndjson`, `application/jsonl`), or a JSON array of rows or one
//! object (`application/json`); without a content type its first character tells. Nothing of it
//! enters the flow unless all of it is valid.
//!
//! | status | why | what to do |
//! |---|---|---|
//! | 200 `{"rows":n,"quarantined":k}` | every row is done | – |
//! | 400 `{"error":…,"row":3}` | a row is no JSON, or the body broke off | mend the body, post all of it |
//! | 401 | the bearer token is missing or wrong | `authorization: Bearer …` |
//! | 404, 405, 415 | no such path; no `POST`; unknown content type or encoding | as the message says |
//! | 408 | the body took longer than `timeout_ms` | post in smaller parts |
//! | 413 | the body is larger than `max_body_bytes` | post in smaller parts |
//! | 429, `Retry-After` | the queue is full | post again |
//! | 503, `Retry-After` | the flow stops, or the rows are not done (in time) | post again |
//!
//! Rows are delivered at least once: a client that got no 200 posts again, with the same
//! `Idempotency-Key`. The position of a row is `<key>:<index>`, so it is the same row whenever it
//! comes. Without the header each request has an id of its own.
//!
//! `quarantined` is `null` when the rows travelled in one batch with those of other posts, and some
//! but not all rows of that batch are in quarantine.
//!
//! | module | what it is |
//! |---|---|
//! | `params`, `check` | what a conf can say, and what is wrong with it |
//! | `source` | [`Http`]: opens, hands out, closes |
//! | `listeners` → `server` → `routes` | addresses → one address and its connections → its paths |
//! | `gate` → `head`, `body`, `rows` | one path: takes a post → what its headers say, its bytes, its rows |
//! | `queue` → `receipt` → `ticket` | posts that wait → rows that are worked on → what a post waits for |
//! | `refusal` | every answer but 200 |
//! | `error` | [`HttpError`] |

mod body;
mod check;
mod error;
mod gate;
mod head;
mod listeners;
mod params;
mod queue;
mod receipt;
mod refusal;
mod routes;
mod rows;
mod server;
mod source;
mod ticket;

pub use crate::{error::HttpError, params::HttpParams, source::Http};
