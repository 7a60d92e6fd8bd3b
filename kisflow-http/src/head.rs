//! The headers of a post.

use axum::http::{HeaderMap, HeaderName, Method, header};

use std::sync::Arc;

use crate::{refusal::Refusal, rows::Format, unpack::Encoding};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the headers of a post say about its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) format: Option<Format>,
    pub(crate) encoding: Option<Encoding>,
    pub(crate) key: Option<Arc<str>>,
}

impl Head {
    /// Reads the headers of a post.
    pub(crate) fn read(
        method: &Method,
        headers: &HeaderMap,
        token: Option<&str>,
    ) -> Result<Self, Refusal> {
        if method != Method::POST {
            return Err(Refusal::Method);
        }
        if let Some(token) = token {
            authorize(headers, token)?;
        }
        Ok(Self { format: format(headers)?, encoding: encoding(headers)?, key: key(headers)? })
    }
}

/// Returns whether the client waits for an answer before it sends the body.
pub(crate) fn waits(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}

fn authorize(headers: &HeaderMap, token: &str) -> Result<(), Refusal> {
    let sent = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()).unwrap_or_default();
    let (scheme, sent) = sent.split_at_checked(b"Bearer ".len()).unwrap_or_default();
    let same = scheme.eq_ignore_ascii_case(b"Bearer ") && same(sent, token.as_bytes());
    same.then_some(()).ok_or(Refusal::Token)
}

/// Takes the same time for any wrong token, so that the time reveals nothing.
fn same(sent: &[u8], token: &[u8]) -> bool {
    let differ = sent.iter().zip(token).fold(0, |differ, (one, other)| differ | (one ^ other));
    sent.len() == token.len() && std::hint::black_box(differ) == 0
}

fn format(headers: &HeaderMap) -> Result<Option<Format>, Refusal> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" => Ok(None),
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => Ok(Some(Format::Lines)),
        "application/json" | "text/json" => Ok(Some(Format::Json)),
        "text/csv" if has_header(text) => Ok(Some(Format::Csv)),
        essence if is_json_suffix(essence) => Ok(Some(Format::Json)),
        _ => Err(Refusal::ContentType { found: shown(value.as_bytes()) }),
    }
}

/// Whether CSV has a header line; a client may say that it has none.
fn has_header(content_type: &str) -> bool {
    let mut params = content_type.split(';').skip(1).map(|param| param.trim().to_ascii_lowercase());
    !params.any(|param| param.replace(['"', ' '], "") == "header=absent")
}

/// Whether it is a type of its own in JSON, such as `application/cloudevents+json`.
fn is_json_suffix(essence: &str) -> bool {
    let subtype = essence.split_once('/').map_or("", |(_, subtype)| subtype);
    subtype.strip_suffix("+json").is_some_and(|name| !name.is_empty())
}

fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Refusal> {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    let Some(value) = encodings.next() else { return Ok(None) };
    match value.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
        _ if encodings.next().is_some() => {}
        b"gzip" | b"x-gzip" => return Ok(Some(Encoding::Gzip)),
        b"deflate" => return Ok(Some(Encoding::Deflate)),
        b"identity" => return Ok(None),
        _ => {}
    }
    Err(Refusal::ContentEncoding { found: shown(value.as_bytes()) })
}

fn key(headers: &HeaderMap) -> Result<Option<Arc<str>>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().map_err(|_| Refusal::Key)?.trim();
    let plain = (1..=256).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| Some(key.into())).ok_or(Refusal::Key)
}

/// A value that a client sent, short and on one line.
fn shown(value: &[u8]) -> String {
    let value = value.get(..60).unwrap_or(value);
    format!("`{}`", value.escape_ascii())
}
