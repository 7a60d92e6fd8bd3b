//! The bytes of a body: read within a bound, decompressed within the same bound.

use std::{future::poll_fn, io::Read, pin::Pin, time::Duration};

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use tokio::time::timeout;

use crate::refusal::Refusal;

/// How much of a body that is refused is read on, so that the client gets to the answer.
const REST_BYTES: usize = 16 << 20;

/// How long that may take.
const REST_TIME: Duration = Duration::from_secs(1);

/// Reads a body to its end.
pub(crate) async fn read(body: &mut Body, limit: usize) -> Result<Bytes, Refusal> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(Refusal::TooLarge { limit });
    }
    let (mut first, mut more) = (Bytes::new(), BytesMut::new());
    while let Some(chunk) = chunk(body).await {
        let chunk = chunk?;
        if first.len() + more.len() + chunk.len() > limit {
            return Err(Refusal::TooLarge { limit });
        }
        // Most bodies come in one piece, which needs no copy.
        match first.is_empty() {
            true => first = chunk,
            false => more.extend_from_slice(&chunk),
        }
    }
    if more.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + more.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&more);
    Ok(whole.freeze())
}

/// Reads what is left of a body that is refused, within bounds: a client that is still sending
/// would see a broken connection, and not the answer.
pub(crate) async fn discard(body: &mut Body) {
    let rest = async {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = chunk(body).await {
            bytes += chunk.len();
            if bytes > REST_BYTES {
                return;
            }
        }
    };
    // What is not read by then is given up: the connection closes.
    let _ = timeout(REST_TIME, rest).await;
}

async fn chunk(body: &mut Body) -> Option<Result<Bytes, Refusal>> {
    if body.is_end_stream() {
        return None;
    }
    let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
    // Trailers hold no rows.
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()).map_err(|_| Refusal::BrokenOff))
}

/// Decompresses a body, and stops where it grows too large.
pub(crate) fn gunzip(packed: &[u8], limit: usize) -> Result<Bytes, Refusal> {
    let mut plain = Vec::new();
    let mut unpacked = MultiGzDecoder::new(packed).take(limit as u64 + 1);
    unpacked.read_to_end(&mut plain).map_err(|error| Refusal::Gzip { cause: error.to_string() })?;
    match plain.len() > limit {
        true => Err(Refusal::TooLarge { limit }),
        false => Ok(plain.into()),
    }
}
