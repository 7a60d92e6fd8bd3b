//! [`Refusal`]: every answer to a post but 200.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Why a post does not get 200, with a message that says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("nothing takes rows at {path}; the path is the `key` of a source")]
    Path { path: String },
    #[error("rows are posted; send a POST")]
    Method,
    #[error("this path wants a token; send it as `authorization: Bearer …`")]
    Token,
    #[error("{found} is no content type of rows; {CONTENT_TYPES}")]
    ContentType { found: String },
    #[error(
        "{found} is no content encoding known here; send `content-encoding: gzip` or `deflate`, or none"
    )]
    ContentEncoding { found: String },
    #[error("the idempotency key must have 1 to 256 visible ASCII characters")]
    Key,
    #[error(
        "the body is larger than {limit} bytes (`max_body_bytes`), decompressed; post the rows in smaller parts"
    )]
    TooLarge { limit: usize },
    #[error(
        "the rows of the body need more than {limit} bytes (`memory_bytes`); post the rows in smaller parts"
    )]
    TooMuch { limit: usize },
    #[error(
        "the body did not arrive within {limit:?} (`timeout_ms`); post the rows in smaller parts"
    )]
    Slow { limit: Duration },
    #[error(
        "no byte of the body came for {limit:?} (`idle_ms`); none of its rows is taken: post it again"
    )]
    Idle { limit: Duration },
    #[error(
        "the body comes at less than {rate} bytes a second (`min_bytes_per_second`); none of its rows is taken: post it again"
    )]
    Rate { rate: u64 },
    #[error("the body broke off; none of its rows is taken: post it again")]
    BrokenOff,
    #[error("the body is no {encoding}, or breaks off: {cause}; none of its rows is taken")]
    Packed { encoding: &'static str, cause: String },
    #[error("{what}; none of the rows is taken: mend the body and post it again")]
    Shape { what: String },
    #[error(
        "row {row} (line {line}) is no JSON: {cause}; none of the rows is taken: mend it and post the body again"
    )]
    Row { row: usize, line: usize, cause: String },
    #[error(
        "row {row} (line {line}) is no CSV: {cause}; none of the rows is taken: mend it and post the body again"
    )]
    Record { row: usize, line: usize, cause: String },
    #[error(
        "the queue of flow `{flow}` is full: {posts} posts wait (`queue`); post again in a while"
    )]
    Full { flow: String, posts: usize },
    #[error(
        "the bodies of other posts fill the {limit} bytes of this path (`memory_bytes`); post again in a while"
    )]
    NoMemory { limit: usize },
    #[error(
        "the body stood still while other posts wanted its share of the {limit} bytes of this path (`memory_bytes`); post it again"
    )]
    GaveWay { limit: usize },
    #[error(
        "the rows of an earlier post with this idempotency key are worked on; post again to learn what became of them"
    )]
    KeyInFlight,
    #[error(
        "this path wants an idempotency key, so that no row counts twice (`guarantee: exactly_once`); send an `idempotency-key`, another for each body"
    )]
    KeyMissing,
    #[error("which rows of this idempotency key are done cannot be read: {cause}; post them again")]
    Kept { cause: String },
    #[error("another body came with this idempotency key; give each body a key of its own")]
    KeyOfOther,
    #[error("flow `{flow}` is shutting down; post again in a while")]
    Closing { flow: String },
    #[error(
        "the rows are not done, and are given back; post them again, with the same idempotency key"
    )]
    Undone,
    #[error(
        "the rows are not done within {limit:?} (`timeout_ms`), but may be yet; post them again, with the same idempotency key"
    )]
    Late { limit: Duration },
    #[error(
        "the flow was too busy for the rows for {limit:?} (`timeout_ms`), none is taken; post them again"
    )]
    Busy { limit: Duration },
}

const CONTENT_TYPES: &str = "send `content-type: application/x-ndjson` (a row a line), `application/json` (an array of rows, or one object) or `text/csv` (with a header line)";

#[derive(Serialize)]
struct Told<'a> {
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<usize>,
}

impl Refusal {
    /// Returns whether the client was too slow: waiting for the rest of its body does not help.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(
            self,
            Self::Slow { .. } | Self::Idle { .. } | Self::Rate { .. } | Self::GaveWay { .. }
        )
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Path { .. } => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::ContentType { .. } | Self::ContentEncoding { .. } => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::TooLarge { .. } | Self::TooMuch { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow { .. } | Self::Idle { .. } | Self::Rate { .. } => {
                StatusCode::REQUEST_TIMEOUT
            }
            Self::KeyInFlight => StatusCode::CONFLICT,
            Self::KeyOfOther => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Key
            | Self::KeyMissing
            | Self::BrokenOff
            | Self::Packed { .. }
            | Self::Shape { .. }
            | Self::Row { .. }
            | Self::Record { .. } => StatusCode::BAD_REQUEST,
            Self::Full { .. } | Self::NoMemory { .. } | Self::GaveWay { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Closing { .. }
            | Self::Kept { .. }
            | Self::Undone
            | Self::Late { .. }
            | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The header that belongs to the status.
    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Method => Some((header::ALLOW, "POST")),
            Self::Token => Some((header::WWW_AUTHENTICATE, "Bearer")),
            // The next process needs a moment to start.
            Self::Closing { .. } => Some((header::RETRY_AFTER, "5")),
            Self::Full { .. }
            | Self::NoMemory { .. }
            | Self::GaveWay { .. }
            | Self::KeyInFlight
            | Self::Kept { .. }
            | Self::Undone
            | Self::Late { .. }
            | Self::Busy { .. } => Some((header::RETRY_AFTER, "1")),
            Self::ContentEncoding { .. } => Some((header::ACCEPT_ENCODING, "gzip, deflate")),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = self.header() {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let row = match self {
            Self::Row { row, .. } | Self::Record { row, .. } => Some(row),
            _ => None,
        };
        (self.status(), headers, json(&Told { error: &self.to_string(), row })).into_response()
    }
}

/// A JSON answer.
pub(crate) fn json(answer: &impl Serialize) -> Response {
    // Texts and numbers have a JSON form.
    let mut text = serde_json::to_vec(answer).unwrap_or_default();
    text.push(b'\n');
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (content_type, Body::from(text)).into_response()
}
